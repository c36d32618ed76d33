"""How often a frame has what pictures of hands have and RHD's frames lack."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mix:
    """Probabilities, each drawn by itself.

    near: a photo's or webcam's camera, with a hand that fills up to all of the frame;
    egocentric: of those, the share seen from the person's own eyes.
    """

    near: float = 0.0
    egocentric: float = 0.0


RHD = Mix()
PHOTOS = Mix(near=0.65, egocentric=0.15)
