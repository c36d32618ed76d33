"""Skeletons to turn around: plotly figures, and a page of them that needs no network."""

import base64
import html
import io
import json
import string
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.errors import UserError

# Hands in one page; of more, evenly spaced ones are kept.
MOST_HANDS = 200
THUMBNAIL_PX = 120
# Titles of plotly's axes, whose third points up.
AXES = {"xaxis": "right, mm", "yaxis": "away, mm", "zaxis": "up, mm"}
# From where the photo's camera is, a little aside.
EYE = {"x": 0.5, "y": -2.3, "z": 0.5}

_PAGE = string.Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>3D hands</title>
<style>
body { margin: 0; font: 14px sans-serif; display: flex; height: 100vh; color: #222; }
#hands { width: 300px; overflow-y: auto; padding: 8px; background: #f3f3f3; }
#hands button { display: block; width: 100%; margin: 0 0 8px; padding: 6px; text-align: left;
  border: 2px solid transparent; background: #fff; cursor: pointer; font: inherit; }
#hands button.shown { border-color: #2878c8; }
#hands img { display: block; margin-bottom: 4px; }
#scene { flex: 1; min-width: 0; }
</style><script>$plotly</script></head>
<body><div id="hands"></div><div id="scene"></div>
<script type="application/json" id="data">$data</script>
<script>
const hands = JSON.parse(document.getElementById("data").textContent);
const list = document.getElementById("hands");
function show(number) {
  const figure = hands[number].figure;
  figure.layout.title = {text: hands[number].text};
  Plotly.react("scene", figure.data, figure.layout, {
    responsive: true, displaylogo: false, modeBarButtons: [["toImage", "resetCameraDefault3d"]],
  });
  for (const [i, button] of [...list.children].entries())
    button.className = i === number ? "shown" : "";
}
for (const [i, hand] of hands.entries()) {
  const button = document.createElement("button"), image = document.createElement("img");
  image.src = hand.thumbnail;
  button.append(image, hand.title);
  button.onclick = () => show(i);
  list.append(button);
}
if (hands.length) show(0); else list.textContent = "No hand was found.";
</script></body></html>
""")


def skeleton(
    joints_mm: Float[np.ndarray, "21 3"],
    std_mm: Float[np.ndarray, "21"] | None = None,
    title: str = "",
    names: Sequence[str] = hand.JOINTS,
) -> Any:
    """A plotly figure of a pose (x right, y down, z forward), to turn around.

    std_mm: drawn as the joints' size and told when pointed at, with a joint's name of `names`.
    Raises `UserError` without plotly.
    """
    x, y, z = np.asarray(joints_mm, float).T
    points = np.stack([x, z, -y])
    spread = np.full(hand.NUM_JOINTS, np.nan) if std_mm is None else np.asarray(std_mm, float)
    return _plotly().graph_objects.Figure(
        [*_bones(points), _joints(points, spread, names)],
        {
            "scene": {**_axes(points), "aspectmode": "cube", "camera": {"eye": EYE}},
            "showlegend": False,
            "margin": {"l": 0, "r": 0, "t": 36, "b": 24},
            "title": {"text": html.escape(title)},
        },
    )


def _bones(points: Float[np.ndarray, "3 21"]) -> list[Any]:
    """A line a bone; `points` are right, away and up, mm."""
    return [
        _plotly().graph_objects.Scatter3d(
            **_coordinates(points[:, list(bone)]),
            mode="lines",
            line={"width": 7, "color": _css(bone[1])},
            hoverinfo="skip",
        )
        for bone in hand.BONES
    ]


def _joints(
    points: Float[np.ndarray, "3 21"], spread: Float[np.ndarray, "21"], names: Sequence[str]
) -> Any:
    """Markers with a text each: the joint's name, its place as in the photo, its spread."""
    texts = [
        f"{name}<br>x {right:.0f}, y {-up:.0f}, z {away:.0f} mm"
        + ("" if np.isnan(std_mm) else f"<br>± {std_mm:.1f} mm")
        for name, (right, away, up), std_mm in zip(names, points.T, spread, strict=True)
    ]
    return _plotly().graph_objects.Scatter3d(
        **_coordinates(points),
        mode="markers",
        marker={
            "size": (4 + 0.5 * np.nan_to_num(spread).clip(0, 20)).tolist(),
            "color": [_css(j) for j in range(hand.NUM_JOINTS)],
            "line": {"width": 1, "color": "#222"},
            "opacity": 1,
        },
        text=texts,
        hoverinfo="text",
    )


def _axes(points: Float[np.ndarray, "3 21"]) -> dict[str, Any]:
    """Axes of one length around the hand."""
    middle = (points.max(axis=1) + points.min(axis=1)) / 2
    reach = max(1.1 * np.abs(points - middle[:, None]).max(), 1.0)
    return {
        name: {"title": {"text": title}, "range": [float(m - reach), float(m + reach)]}
        for (name, title), m in zip(AXES.items(), middle, strict=True)
    }


def _coordinates(points: Float[np.ndarray, "3 N"]) -> dict[str, list[float]]:
    return dict(zip("xyz", points.tolist(), strict=True))


class _Hand(NamedTuple):
    """A hand of a page; `text` stands over its skeleton, `thumbnail` is a data URL."""

    title: str
    text: str
    thumbnail: str
    joints_mm: Float[np.ndarray, "21 3"]
    std_mm: Float[np.ndarray, "21"] | None


class Gallery:
    """Gathers hands for a page; of very many it keeps evenly spaced ones."""

    def __init__(self, joint_names: Sequence[str]):
        _plotly()
        self._joint_names = joint_names
        self._hands: list[_Hand] = []
        self._every, self._seen = 1, 0

    def add(
        self,
        title: str,
        picture: UInt8[np.ndarray, "H W 3"],
        box: Float[np.ndarray, "4"],
        side: int,
        joints_mm: Float[np.ndarray, "21 3"],
        std_mm: Float[np.ndarray, "21"] | None = None,
    ) -> None:
        """Adds a hand: a picture, the hand's box in its px, which hand it is, and its pose."""
        if self._seen % self._every == 0:
            spread = "" if std_mm is None else f", ± {std_mm.mean():.1f} mm"
            text = f"{title}, {hand.SIDES[side]}{spread}"
            self._hands.append(_Hand(title, text, _thumbnail(picture, box), joints_mm, std_mm))
        if len(self._hands) == 2 * MOST_HANDS:
            self._hands, self._every = self._hands[::2], 2 * self._every
        self._seen += 1

    def page(self) -> str:
        """The page as HTML, everything in it."""
        shown = self._hands[:: -(-len(self._hands) // MOST_HANDS) or 1]
        data = list(map(self._fields, shown))
        # A file name must not end the script that holds it.
        as_json = json.dumps(data).replace("<", "\\u003c")
        return _PAGE.substitute(plotly=_plotly().offline.get_plotlyjs(), data=as_json)

    def _fields(self, shown: _Hand) -> dict[str, Any]:
        """What the page's script reads of a hand."""
        figure = skeleton(shown.joints_mm, shown.std_mm, names=self._joint_names)
        return {
            "title": shown.title,
            "text": html.escape(shown.text),
            "thumbnail": shown.thumbnail,
            "figure": json.loads(figure.to_json()),
        }


def _thumbnail(picture: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"]) -> str:
    """The hand and some of what is around it, as a data URL."""
    centre, reach = (box[:2] + box[2:]) / 2, 0.75 * (box[2:] - box[:2]).max()
    size = np.array(picture.shape[1::-1])
    first = np.clip(centre - reach, 0, size - 1).astype(int)
    end = np.clip(centre + reach, first + 1, size).astype(int)
    image = Image.fromarray(picture[first[1] : end[1], first[0] : end[0]])
    image.thumbnail((2 * THUMBNAIL_PX, THUMBNAIL_PX))
    content = io.BytesIO()
    image.save(content, format="jpeg", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"


def _css(joint: int) -> str:
    colour = (150, 150, 150) if joint == 0 else hand.joint_colour(joint)
    return f"rgb{colour}"


def _plotly() -> Any:
    """The module, which only pages need. Raises `UserError` where it is not installed."""
    try:
        import plotly
        import plotly.graph_objects
        import plotly.offline
    except ImportError:
        raise UserError("3D pages need plotly: pip install '.[predict]'") from None
    return plotly
