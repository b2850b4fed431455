"""``ray submit cluster.yaml jobs/track.py``: the command ``parjob track`` on a cluster's head node."""

from par_model.cli.command import run
from par_model.cli.track import track

if __name__ == "__main__":
    run(track, prefix="PARJOB_TRACK", name="track.py")
