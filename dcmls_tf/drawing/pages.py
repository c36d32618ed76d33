"""Skeletons to turn around: plotly figures, and a page of them that needs no network."""

import base64
import html
import io
import json
import string

import numpy as np
from PIL import Image

from dcmls_tf import hand
from dcmls_tf.errors import UserError

# Hands in one page; of more, evenly spaced ones are kept.
MOST_HANDS = 200
THUMBNAIL_PX = 120

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


def skeleton(joints_mm, std_mm=None, title="", names=hand.JOINTS):
    """A plotly figure of a pose `[21, 3]` mm (x right, y down, z forward), to turn around.

    std_mm: `[21]`, drawn as the joints' size and told when pointed at, with a joint's name of
    `names`. Raises `UserError` without plotly.
    """
    go = _plotly().graph_objects
    x, y, z = np.asarray(joints_mm, float).T
    at = np.stack([x, z, -y])  # Plotly's third axis points up.
    bones = [
        go.Scatter3d(
            **dict(zip("xyz", at[:, bone].tolist(), strict=True)),
            mode="lines",
            line={"width": 7, "color": _css(bone[1])},
            hoverinfo="skip",
        )
        for bone in map(list, hand.BONES)
    ]
    spread = np.full(hand.NUM_JOINTS, np.nan) if std_mm is None else np.asarray(std_mm, float)
    told = [
        f"{name}<br>x {a:.0f}, y {b:.0f}, z {c:.0f} mm" + (f"<br>± {s:.1f} mm" if s == s else "")
        for name, a, b, c, s in zip(names, x, y, z, spread, strict=True)
    ]
    joints = go.Scatter3d(
        **dict(zip("xyz", at.tolist(), strict=True)),
        mode="markers",
        marker={
            "size": (4 + 0.5 * np.nan_to_num(spread).clip(0, 20)).tolist(),
            "color": [_css(j) for j in range(hand.NUM_JOINTS)],
            "line": {"width": 1, "color": "#222"},
            "opacity": 1,
        },
        text=told,
        hoverinfo="text",
    )
    middle = (at.max(axis=1) + at.min(axis=1)) / 2
    reach = max(1.1 * np.abs(at - middle[:, None]).max(), 1.0)
    axes = {
        name: {"title": {"text": text}, "range": [float(m - reach), float(m + reach)]}
        for (name, text), m in zip(_AXES.items(), middle, strict=True)
    }
    eye = {"x": 0.5, "y": -2.3, "z": 0.5}  # From where the photo's camera is, a little aside.
    return go.Figure(
        [*bones, joints],
        {
            "scene": {**axes, "aspectmode": "cube", "camera": {"eye": eye}},
            "showlegend": False,
            "margin": {"l": 0, "r": 0, "t": 36, "b": 24},
            "title": {"text": html.escape(title)},
        },
    )


_AXES = {"xaxis": "right, mm", "yaxis": "away, mm", "zaxis": "up, mm"}


class Gallery:
    """Gathers hands for a page; of very many it keeps evenly spaced ones."""

    def __init__(self, joint_names):
        _plotly()
        self._joint_names = joint_names
        self._hands, self._every, self._seen = [], 1, 0

    def add(self, title, picture, box, pose):
        """A hand: `picture` uint8 `[H, W, 3]` with its `box` `[4]` px, and its `inference.Pose`."""
        if self._seen % self._every == 0:
            spread = "" if pose.std_mm is None else f", ± {pose.std_mm.mean():.1f} mm"
            text = f"{title}, {hand.SIDES[pose.hand.side]}{spread}"
            thumbnail = _thumbnail(picture, box)
            self._hands.append((title, text, thumbnail, pose.joints_mm, pose.std_mm))
        if len(self._hands) == 2 * MOST_HANDS:
            self._hands, self._every = self._hands[::2], 2 * self._every
        self._seen += 1

    def page(self):
        """The page as HTML, everything in it."""
        shown = self._hands[:: -(-len(self._hands) // MOST_HANDS) or 1]
        data = [
            {
                "title": title,
                "text": html.escape(text),
                "thumbnail": thumbnail,
                "figure": json.loads(
                    skeleton(joints_mm, std_mm, names=self._joint_names).to_json()
                ),
            }
            for title, text, thumbnail, joints_mm, std_mm in shown
        ]
        # A file name must not end the script that holds it.
        as_json = json.dumps(data).replace("<", "\\u003c")
        return _PAGE.substitute(plotly=_plotly().offline.get_plotlyjs(), data=as_json)


def _thumbnail(picture, box):
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


def _css(joint):
    colour = (150, 150, 150) if joint == 0 else hand.joint_colour(joint)
    return f"rgb{colour}"


def _plotly():
    try:
        import plotly
        import plotly.graph_objects
        import plotly.offline
    except ImportError:
        raise UserError("3D pages need plotly: pip install '.[predict]'") from None
    return plotly
