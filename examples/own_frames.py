"""Recognise pictures of one person that you have already: from a notebook, a camera's SDK, another library.

python examples/own_frames.py picture1.png picture2.png ...
"""

import sys

import numpy as np
from PIL import Image

import par_model

# Any RGB pictures of the person, uint8 [height, width, 3], in the order in which they were taken.
pictures = [np.asarray(Image.open(name).convert("RGB")) for name in sys.argv[1:]]
person = par_model.RawCrops.of_images("somebody", pictures)

# The weights that ship know the rendered street only: name a weights file of your own for real footage.
table = par_model.recognise([person], weights="demo")

answers = table.to_pylist()[0]
print("saw pictures", answers["sampled_frames"])
for group in ("top_color", "bottom_color", "backpack", "hat"):
    print(f"{group}: {answers[group]} ({answers[f'{group}_score']:.2f})")
