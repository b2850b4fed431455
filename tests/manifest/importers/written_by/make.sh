#!/usr/bin/env bash
# Writes the files beside it anew: what trackers and annotation tools, in the versions that the files' names say, make of
# a few boxes. Each tool gets a virtual environment of its own, in a temporary folder. Python 3.11.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# run NAME SCRIPT PACKAGE...: the script gets the file or folder NAME, to write.
run() {
    local name=$1 script=$2
    shift 2
    if [ -n "${ONLY:-}" ] && [[ "$name" != $ONLY ]]; then return; fi
    python3 -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet "$@"
    rm -rf "${here:?}/$name"
    "$folder/venv/bin/python" "$here/$script" "$here/$name"
    rm -rf "$folder/venv"
}

run trackers-2.6.1.txt trackers_mot.py trackers==2.6.1
run norfair-2.3.0.txt norfair_predictions.py norfair==2.3.0
run supervision-0.31.2.csv supervision_sink.py supervision==0.31.2
run motmetrics-1.4.0.csv motmetrics_table.py motmetrics==1.4.0 'numpy<2' 'pandas<3'
run deep-sort-realtime-1.3.2.txt deep_sort_boxes.py deep-sort-realtime==1.3.2 'setuptools<81'
run datumaro-1.13.12 datumaro_mot.py datumaro==1.13.12
run fiftyone-1.22.1.xml fiftyone_cvat.py fiftyone==1.22.1
