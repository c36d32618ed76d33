"""Hands' animations as binary glTF 2.0: nodes with rotations and places over time, no skin.

A hand is a tree of nodes named after its joints, under a node of the hand's own name; metres, +Y up
(see `skeleton`). Times are those of the video's frames. Each bone is drawn as a slim octahedron.
"""

import json
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from dcmls_tf import hand
from dcmls_tf.formats import skeleton
from dcmls_tf.formats.skeleton import NODES, Animation

_FLOAT, _UINT16 = 5126, 5123
_TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}
# An octahedron from the origin to (0, 1, 0), thickest near its start, as Blender draws bones.
_VERTICES = np.array(
    [[0, 0, 0], [0.1, 0.15, 0], [0, 0.15, 0.1], [-0.1, 0.15, 0], [0, 0.15, -0.1], [0, 1, 0]],
    np.float32,
)
_FACES = np.array(
    [[0, n + 1, (n + 1) % 4 + 1] for n in range(4)]
    + [[5, (n + 1) % 4 + 1, n + 1] for n in range(4)],
    np.uint16,
)


class Track(NamedTuple):
    """A hand's animation and the time of each of its poses in s, rising."""

    animation: Animation
    times_s: Float[np.ndarray, " T"]


def content(tracks: Mapping[str, Track]) -> bytes:
    """A `.glb` file of hands by their names."""
    scene = _Scene()
    for name, track in tracks.items():
        scene.add(name, track)
    return scene.as_glb()


class _Scene:
    """A glTF document that is being made: its JSON and its one buffer."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._views: list[dict[str, int]] = []
        self._accessors: list[dict[str, Any]] = []
        self._nodes: list[dict[str, Any]] = []
        self._roots: list[int] = []
        self._channels: list[dict[str, Any]] = []
        self._samplers: list[dict[str, Any]] = []
        vertices, faces = self._accessor(_VERTICES), self._accessor(_FACES.reshape(-1, 1))
        primitive = {"attributes": {"POSITION": vertices}, "indices": faces}
        self._meshes = [{"name": "bone", "primitives": [primitive]}]

    def add(self, name: str, track: Track) -> None:
        animation, times = track.animation, np.asarray(track.times_s, np.float32)
        wrist, time = len(self._nodes) + 1, self._accessor(times[:, None])
        self._roots.append(self._node(name=name, children=[wrist]))
        numbers = {n: wrist + n for n in range(len(NODES))}
        for number, node in enumerate(NODES):
            place = animation.places[0] if number == 0 else animation.offsets[node.joint]
            rotation = skeleton.quaternions(animation.rotations[:, number])
            children = [numbers[n] for n, other in enumerate(NODES) if other.parent == number]
            self._node(
                name=node.name,
                translation=place.tolist(),
                rotation=rotation[0].tolist(),
                children=children,
            )
            self._animate(numbers[number], "rotation", time, rotation)
        self._animate(wrist, "translation", time, animation.places)
        for number, node in enumerate(NODES):
            if node.end >= 0:
                self._bone(numbers[number], node.end, animation)

    def _bone(self, parent: int, end: int, animation: Animation) -> None:
        """The drawn bone of a node, and its tip, where no other node is."""
        offset = animation.offsets[end]
        length = float(np.linalg.norm(offset))
        turn = skeleton.shortest(np.array([0.0, 1, 0]), offset[None] / max(length, 1e-9))
        drawn = self._node(
            name=f"{hand.JOINTS[end]}_bone",
            mesh=0,
            rotation=skeleton.quaternions(turn)[0].tolist(),
            scale=[length] * 3,
        )
        self._nodes[parent].setdefault("children", []).append(drawn)
        if end in hand.TIPS:
            tip = self._node(name=hand.JOINTS[end], translation=offset.tolist())
            self._nodes[parent]["children"].append(tip)

    def _node(self, **fields: Any) -> int:
        self._nodes.append({key: value for key, value in fields.items() if value != []})
        return len(self._nodes) - 1

    def _animate(self, node: int, path: str, time: int, values: np.ndarray) -> None:
        sampler = {"input": time, "output": self._accessor(values), "interpolation": "LINEAR"}
        self._samplers.append(sampler)
        target = {"node": node, "path": path}
        self._channels.append({"sampler": len(self._samplers) - 1, "target": target})

    def _accessor(self, values: np.ndarray) -> int:
        kind = _UINT16 if values.dtype == np.uint16 else _FLOAT
        values = values if kind == _UINT16 else values.astype(np.float32)
        self._buffer += bytes(-len(self._buffer) % 4)
        raw = values.astype(values.dtype.newbyteorder("<")).tobytes()
        self._views.append({"buffer": 0, "byteOffset": len(self._buffer), "byteLength": len(raw)})
        self._buffer += raw
        bounds = {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        self._accessors.append({
            "bufferView": len(self._views) - 1,
            "componentType": kind,
            "count": len(values),
            "type": _TYPES[values.shape[1]],
            **bounds,
        })  # fmt: skip
        return len(self._accessors) - 1

    def as_glb(self) -> bytes:
        animation = {"name": "hands", "channels": self._channels, "samplers": self._samplers}
        document = {
            "asset": {"version": "2.0", "generator": "dcmls_tf"},
            "scene": 0,
            "scenes": [{"nodes": self._roots}],
            "nodes": self._nodes,
            "meshes": self._meshes,
            "animations": [animation] if self._channels else [],
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(self._buffer)}],
        }
        document = {key: value for key, value in document.items() if value != []}
        text = json.dumps(document, allow_nan=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        binary = bytes(self._buffer) + bytes(-len(self._buffer) % 4)
        chunks = b"".join(
            struct.pack("<I4s", len(chunk), kind) + chunk
            for chunk, kind in ((text, b"JSON"), (binary, b"BIN\0"))
        )
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
