"""``ray submit cluster.yaml jobs/train.py``: the command ``parjob train`` on a cluster's head node."""

from par_model.cli.command import run
from par_model.cli.train import train

if __name__ == "__main__":
    run(train, prefix="PARJOB_TRAIN", name="train.py")
