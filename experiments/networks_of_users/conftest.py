"""Which modules pytest can import: timm needs the torchvision of one's torch, and is optional."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore = [] if find_spec("timm") else ["rgbd_timm.py"]
