"""From bare video to a manifest: persons found in every frame that is looked at, and followed through the video.

detections      what a detector finds in one picture: Detections
detector        what every detector is, and load_detector
street_detector, openvino_detector, transformers_detector       the detectors; street_network: the first one's network
extra           libraries that come with ``pip install 'par-model[track]'``
"""
