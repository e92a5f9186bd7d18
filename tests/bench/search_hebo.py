"""HEBO's part of the benchmark of searches; runs in its own virtual environment, see search-hebo.txt.

search_hebo.py SEED SPACE   writes parameters as JSON, one set a line, and reads the loss of each
"""

import json
import os
import sys
import warnings
from importlib import import_module

import numpy as np


def main() -> None:
    seed, space = int(sys.argv[1]), json.loads(sys.argv[2])
    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # pymoo, which HEBO needs, prints advice
    torch, hebo = import_module("torch"), import_module("hebo.optimizers.hebo")
    np.random.seed(seed)
    torch.manual_seed(seed)
    optimizer = hebo.HEBO(
        import_module("hebo.design_space.design_space").DesignSpace().parse(space), scramble_seed=seed
    )
    while True:
        proposed = optimizer.suggest()
        print(json.dumps(proposed.iloc[0].to_dict(), default=np.generic.item), file=answers, flush=True)
        loss = sys.stdin.readline()
        if not loss:
            return
        optimizer.observe(proposed, np.array([[float(loss)]]))


if __name__ == "__main__":
    main()
