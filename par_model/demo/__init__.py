"""The demo: a rendered street with ground truth, to try everything on.

config      how large and how hard: StreetConfig, Difficulty
street      render_street: a video for each camera, and the manifest
film        one camera's frames, with masks of who is where
tracks      tracklets with boxes from those masks;  evidence: what a frame shows of each attribute
scenes      what the cameras watch;  backdrop, texture: houses, road, sky;  furniture: posts, trees, cars
traffic     who walks where and when;  appearance: what they wear;  pose, body, figure: how they are drawn
camera      the pinhole and the light;  shadow;  lens: blur and noise
"""
