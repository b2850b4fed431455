"""``ray submit cluster.yaml jobs/infer.py``: the command ``parjob infer`` on a cluster's head node."""

from par_model.cli.command import run
from par_model.cli.infer import infer

if __name__ == "__main__":
    run(infer, prefix="PARJOB_INFER", name="infer.py")
