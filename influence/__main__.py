"""``python -m influence``, and so ``torchrun -m influence``: the command line."""

from influence.cli import main

if __name__ == "__main__":
    main(prog_name="influence")
