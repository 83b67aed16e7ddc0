"""Operators: the list of those that the graph of a checkpoint may call."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
import torch._higher_order_ops.wrap  # registers the operators that wrap parts of a graph

from influence.errors import InfluenceError

__all__ = ["find_operator"]

# What networks compute with, by name in `torch.ops.aten`; an in-place variant (a trailing
# underscore) comes with each. Left out on purpose: whatever reads or writes files (`save`,
# `from_file`), replaces a tensor's storage (`set_`, `data`, `as_strided`, `resize_`), or skips
# bounds checks (`_unsafe_index`).
_POINTWISE = """
abs absolute acos acosh add addcdiv addcmul angle arccos arccosh arcsin arcsinh arctan arctan2
arctanh asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_not bitwise_or
bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min clip conj conj_physical copysign cos
cosh deg2rad digamma div divide eq erf erfc erfinv exp exp2 expm1 float_power floor floor_divide
fmax fmin fmod frac ge greater greater_equal gt hypot imag isclose isfinite isinf isnan isneginf
isposinf ldexp le lerp less less_equal lgamma log log10 log1p log2 logaddexp logaddexp2
logical_and logical_not logical_or logical_xor logit lt maximum minimum mul multiply nan_to_num ne
neg negative not_equal polar positive pow rad2deg real reciprocal remainder resolve_conj
resolve_neg round rsqrt rsub sgn sigmoid sign signbit sin sinc sinh special_entr special_erf
special_erfinv special_expit special_expm1 special_gammaln special_i0 special_log1p special_logit
special_ndtr special_xlog1py special_xlogy sqrt square sub subtract tan tanh true_divide trunc
view_as_complex view_as_real where xlogy __and__ __lshift__ __or__ __rshift__ __xor__
"""
_ACTIVATIONS = """
alpha_dropout celu dropout elu feature_alpha_dropout feature_dropout gelu glu hardshrink
hardsigmoid hardswish hardtanh leaky_relu log_sigmoid log_softmax mish native_dropout prelu relu
relu6 rrelu selu silu softmax softplus softshrink special_log_softmax special_softmax threshold
_log_softmax _prelu_kernel _safe_softmax _softmax
"""
_LAYERS = """
adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
adaptive_max_pool3d affine_grid_generator avg_pool1d avg_pool2d avg_pool3d batch_norm bilinear
channel_shuffle col2im constant_pad_nd conv1d conv2d conv3d conv_tbc conv_transpose1d
conv_transpose2d conv_transpose3d convolution cosine_similarity embedding embedding_bag grid_sampler
grid_sampler_2d grid_sampler_3d group_norm gru gru_cell im2col instance_norm layer_norm linear lstm
lstm_cell max_pool1d max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d
max_pool3d_with_indices max_unpool2d max_unpool3d native_batch_norm native_channel_shuffle
native_group_norm native_layer_norm one_hot pad pairwise_distance pixel_shuffle pixel_unshuffle
reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d
replication_pad3d rms_norm rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell
scaled_dot_product_attention upsample_bicubic2d upsample_bilinear2d upsample_linear1d
upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_trilinear3d
_adaptive_avg_pool2d _adaptive_avg_pool3d _convolution _native_batch_norm_legit
_native_batch_norm_legit_no_training _pad_circular _upsample_bicubic2d_aa _upsample_bilinear2d_aa
_upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d _weight_norm
_weight_norm_interface
"""
_ALGEBRA = """
addbmm addmm addmv addr baddbmm bmm cdist chain_matmul cross det dot einsum fft_fft fft_fft2
fft_fftfreq fft_fftn fft_fftshift fft_hfft fft_ifft fft_ifft2 fft_ifftn fft_ifftshift fft_ihfft
fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftfreq fft_rfftn ger inner inverse istft
kron linalg_cholesky linalg_cross linalg_det linalg_diagonal linalg_eigh linalg_inv linalg_matmul
linalg_matrix_norm linalg_matrix_power linalg_multi_dot linalg_norm linalg_pinv linalg_qr
linalg_solve linalg_svd linalg_vecdot linalg_vector_norm matmul matrix_exp matrix_power mm mv outer
stft tensordot trace vdot _cdist_forward
"""
_REDUCTIONS = """
all amax amin aminmax any argmax argmin argsort bincount bucketize count_nonzero cummax cummin
cumprod cumsum diff equal frobenius_norm histc item kthvalue logcumsumexp logsumexp max mean median
min mode msort nanmean nanmedian nanquantile nansum nonzero norm norm_except_dim prod quantile
renorm searchsorted sort special_logsumexp std std_mean sum topk var var_mean _local_scalar_dense
"""
_SHAPES = """
adjoint alias argwhere atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors broadcast_to
cartesian_prod cat chunk clone column_stack complex concat concatenate contiguous copy detach diag
diag_embed diagonal diagonal_scatter dsplit dstack expand expand_as flatten flip fliplr flipud
gather hsplit hstack index index_add index_copy index_fill index_put index_select lift lift_fresh
lift_fresh_copy mH mT masked_fill masked_scatter masked_select matrix_H meshgrid moveaxis movedim
narrow numpy_T pad_sequence permute ravel repeat repeat_interleave reshape reshape_as roll rot90
row_stack scatter scatter_add scatter_reduce select select_scatter slice slice_scatter split
split_with_sizes squeeze stack swapaxes swapdims t take take_along_dim tensor_split tile to
transpose tril triu type_as unbind unflatten unfold unsafe_chunk unsafe_split
unsafe_split_with_sizes unsqueeze view view_as vsplit vstack _reshape_alias _stack _to_copy
_unsafe_view
"""
_CREATION = """
arange bartlett_window bernoulli blackman_window empty empty_like eye fill full full_like
hamming_window hann_window kaiser_window linspace logspace multinomial new_empty new_full new_ones
new_zeros normal normal_functional ones ones_like rand rand_like randint randint_like randn
randn_like randperm scalar_tensor tril_indices triu_indices uniform zero zeros zeros_like
"""
_CHECKS = """
sym_constrain_range sym_constrain_range_for_size sym_is_contiguous sym_numel sym_size
sym_storage_offset sym_stride _assert_async _assert_scalar _assert_tensor_metadata
"""
_TENSOR_OPERATORS = frozenset(
    "".join(
        [_POINTWISE, _ACTIVATIONS, _LAYERS, _ALGEBRA, _REDUCTIONS, _SHAPES, _CREATION, _CHECKS]
    ).split()
)

# Arithmetic on sizes.
_OPERATOR = "add and_ eq floordiv ge gt le lt mod mul ne neg or_ pos pow sub truediv"
_MATH = "ceil floor sqrt trunc"
_SYM = "sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt"
_OTHER_OPERATORS: dict[str, Callable[..., Any]] = {
    **{f"_operator.{name}": getattr(operator, name) for name in _OPERATOR.split()},
    # Those that this version of torch has.
    **{f"torch.{name}": getattr(torch, name) for name in _SYM.split() if hasattr(torch, name)},
    **{f"math.{name}": getattr(math, name) for name in _MATH.split()},
    # `torch.no_grad()` and `torch.autocast()` inside a forward pass.
    **{
        f"torch.ops.higher_order.{name}": getattr(torch.ops.higher_order, name)
        for name in ("wrap_with_autocast", "wrap_with_set_grad_enabled")
        if hasattr(torch.ops.higher_order, name)
    },
}


def find_operator(target: str) -> Callable[..., Any]:
    """Return the operator that a serialised graph calls.

    Parameters
    ----------
    target
        The name in the file, such as ``torch.ops.aten.conv2d.default``.

    Raises
    ------
    InfluenceError
        If the name is not on the list. `torch.export.load` would also find ``torch.os.system``.

    Examples
    --------
    >>> find_operator("torch.ops.aten.relu_.default")
    <OpOverload(op='aten.relu_', overload='default')>
    >>> find_operator("torch.os.system")
    Traceback (most recent call last):
    influence.errors.InfluenceError: its graph calls 'torch.os.system', which is not on the list...
    """
    known = _OTHER_OPERATORS.get(target) or _tensor_operator(target)
    if known is None:
        raise InfluenceError(
            f"its graph calls {target!r}, which is not on the list of operators that a .pt2 file "
            "may call. If the network needs it, save its weights as .safetensors and load them "
            "with network='module:factory'"
        )
    return known


def _tensor_operator(target: str) -> torch._ops.OpOverload | None:
    library, _, rest = target.partition("torch.ops.aten.")
    name, _, overload = rest.partition(".")
    if library or not _TENSOR_OPERATORS & {name, name.removesuffix("_")}:
        return None
    packet = getattr(torch.ops.aten, name, None)
    if packet is None or overload not in packet.overloads():
        return None
    found: torch._ops.OpOverload = getattr(packet, overload)
    return found
