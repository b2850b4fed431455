#!/usr/bin/env bash
# datasets 5.2.0 (Hugging Face) with Pillow 13.0.0, Python 3.11: crops of people, a folder for each, the folder's name
# beginning with the camera's, loaded by load_dataset("imagefolder", data_dir=...).
#
# Guess: all pictures are in the split "train", with the folders as labels, as the documentation has it of folders that
# are not themselves called train or test.
#
# Seen: so it is for cameras "avenue" and "station". With "train_station" beside "avenue" the dataset is the train
# station's, and the avenue's pictures are in no split, without a word. A camera "test-street" makes a dataset of one
# split "test" without the others, "dev2" one of "validation". A word for a split counts wherever "-", "_", ".", a
# blank or a digit stands beside it, in a folder's name or a file's, and where one name has it, all that have none are
# left out. data_files="**" names all pictures, and then all are there.
#
# Output seen:
#   avenue, station: {'train': 4}
#   avenue, train_station: {'train': 2}
#   avenue, test-street: {'test': 2}
#   avenue, dev2: {'validation': 2}
#   avenue, train_station, by data_files: {'train': 4}
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet datasets==5.2.0 pillow==13.0.0
cat > "$folder/see.py" <<'PY'
import sys
from pathlib import Path

import datasets
from PIL import Image

folder = Path(sys.argv[1])
datasets.disable_progress_bars()


def loaded(*cameras, **files):
    root = folder / "crops" / "-".join(cameras)
    for camera in cameras:
        for person in ("0001", "0002"):
            (root / f"{camera}-{person}").mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 16)).save(root / f"{camera}-{person}" / "412.png")
    splits = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(folder / "cache"), **files)
    return {name: len(split) for name, split in splits.items()}


EXPECTED = {
    ("avenue", "station"): {"train": 4},
    ("avenue", "train_station"): {"train": 2},
    ("avenue", "test-street"): {"test": 2},
    ("avenue", "dev2"): {"validation": 2},
}
for cameras, expected in EXPECTED.items():
    seen = loaded(*cameras)
    print(f"{', '.join(cameras)}: {seen}")
    assert seen == expected, seen
seen = loaded("avenue", "train_station", data_files="**")
print(f"avenue, train_station, by data_files: {seen}")
assert seen == {"train": 4}, seen
PY
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" "$folder/venv/bin/python" "$folder/see.py" "$folder" 2> "$folder/said.txt" ||
  { cat "$folder/said.txt"; exit 1; }
