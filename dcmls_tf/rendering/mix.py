"""How often a frame has what pictures of hands have and RHD's frames lack."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mix:
    """Probabilities, each drawn by itself.

    near: a photo's or webcam's camera, with a hand that fills up to all of the frame;
    egocentric: of those, the share seen from the person's own eyes.
    photographed: light, focus and tone as phones and webcams have them, a background of
    `scenery`; of those, moved: motion blur; dim: little light and much noise;
    compressed: strong JPEG artefacts.
    jewellery: rings, watches, bracelets; object: something in a hand; together: one hand near
    the other.
    """

    near: float = 0.0
    egocentric: float = 0.0
    photographed: float = 0.0
    moved: float = 0.0
    dim: float = 0.0
    compressed: float = 0.0
    jewellery: float = 0.0
    object: float = 0.0
    together: float = 0.0


# Whose pictures shards may have: anybody's, as `PHOTOS` mixes them, or a studio's (`studio`).
SCENES = ("photos", "studio")
RHD = Mix()
PHOTOS = Mix(
    near=0.65, egocentric=0.15, photographed=0.75, moved=0.2, dim=0.2, compressed=0.35,
    jewellery=0.3, object=0.35, together=0.15,
)  # fmt: skip
