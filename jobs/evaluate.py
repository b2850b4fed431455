"""``ray submit cluster.yaml jobs/evaluate.py``: the command ``parjob evaluate`` on a cluster's head node."""

from par_model.cli.command import run
from par_model.cli.evaluate import evaluate

if __name__ == "__main__":
    run(evaluate, prefix="PARJOB_EVALUATE", name="evaluate.py")
