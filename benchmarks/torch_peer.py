"""The same networks and the same step in PyTorch, the paper's framework, as a peer to be timed.

    python3 -m venv .venv-torch && .venv-torch/bin/pip install -r requirements/benchmarks.txt
    python benchmarks/training.py --torch=.venv-torch/bin/python

`benchmarks/training.py` starts it and speaks with it in lines of JSON: options in, sizes out, then
a number of steps in, their seconds out. It has the full model's `alternate` schedule and no other.
"""

import json
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch  # pyright: ignore[reportMissingImports]
from torch import Tensor, nn  # pyright: ignore[reportMissingImports]
from torch.nn import functional as F  # pyright: ignore[reportMissingImports]
from torch.utils.flop_counter import (  # pyright: ignore[reportMissingImports]
    FlopCounterMode,
)

JOINTS, AXES = 21, 3
STAGES = (64, 128, 256, 512)
MAX_LOG_VAR = 2.0


class Block(nn.Module):
    """ResNet's basic block."""

    def __init__(self, inputs: int, filters: int, stride: int):
        super().__init__()
        self.conv_1 = nn.Conv2d(inputs, filters, 3, stride, 1, bias=False)
        self.norm_1 = nn.BatchNorm2d(filters)
        self.conv_2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norm_2 = nn.BatchNorm2d(filters)
        self.shortcut = nn.Identity()
        if stride != 1:
            conv = nn.Conv2d(inputs, filters, 1, stride, bias=False)
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(filters))

    def forward(self, x: Tensor) -> Tensor:
        """Adds the convolved map to its shortcut."""
        h = self.norm_2(self.conv_2(F.relu(self.norm_1(self.conv_1(x)), inplace=True)))
        return F.relu(h + self.shortcut(x), inplace=True)


def resnet18(outputs: int) -> nn.Sequential:
    """Images `[B, 3, S, S]` → `[B, outputs]`."""
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    blocks, inputs = [], 64
    for stage, filters in enumerate(STAGES):
        blocks += [Block(inputs, filters, 2 if stage else 1), Block(filters, filters, 1)]
        inputs = filters
    end = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, outputs)]
    return nn.Sequential(*stem, nn.MaxPool2d(3, 2, 1), *blocks, *end)


def image_decoder(z_dim: int, size: int) -> nn.Sequential:
    """Codes `[B, z]` → images `[B, 3, size, size]`."""
    filters = [max(16, 256 >> i) for i in range((size // 4).bit_length() - 1)]
    layers = [nn.Linear(z_dim, 16 * filters[0]), nn.Unflatten(1, (filters[0], 4, 4))]
    layers += [nn.BatchNorm2d(filters[0]), nn.ReLU(inplace=True)]
    for i in range(1, len(filters)):
        up = nn.ConvTranspose2d(filters[i - 1], filters[i], 4, 2, 1, bias=False)
        layers += [up, nn.BatchNorm2d(filters[i]), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.ConvTranspose2d(filters[-1], 3, 4, 2, 1), nn.Tanh())


def stack(depth: int, inputs: int, width: int, outputs: int) -> nn.Sequential:
    """`depth` fully-connected layers with ReLU, then a linear one."""
    layers: list[nn.Module] = [nn.Flatten()]
    for i in range(depth):
        layers += [nn.Linear(inputs if i == 0 else width, width), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


class Gaussian(NamedTuple):
    """A diagonal Gaussian, `[B, D]`."""

    loc: Tensor
    log_var: Tensor

    @classmethod
    def of(cls, params: Tensor, initial_log_var: float) -> "Gaussian":
        """From locations, then log-variances."""
        loc, log_var = params.chunk(2, -1)
        return cls(loc, (log_var + initial_log_var).clamp(max=MAX_LOG_VAR))

    def split(self, first: int) -> tuple["Gaussian", "Gaussian"]:
        """The first numbers, and the others."""
        halves = zip(*(t.split([first, t.shape[1] - first], 1) for t in self), strict=True)
        pose, context = (Gaussian(*half) for half in halves)
        return pose, context

    def sample(self) -> Tensor:
        """A reparametrised sample."""
        return self.loc + torch.exp(0.5 * self.log_var) * torch.randn_like(self.loc)

    def kl(self) -> Tensor:
        """KL to the standard normal, per example."""
        return 0.5 * (self.loc**2 + self.log_var.exp() - 1 - self.log_var).sum(-1)


def bce(logits: Tensor, label: float) -> Tensor:
    """Binary cross-entropy of logits against one label, per example."""
    target = torch.full_like(logits, label)
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten()


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Mean over joints of the distance, per example."""
    squares = (a.view(-1, JOINTS, AXES) - b).square().sum(-1)
    return torch.sqrt(squares + 1e-12).mean(1)


class Peer:
    """Networks, optimisers and a step; options are those of `dcmls_tf.config.Config`."""

    def __init__(self, c: dict[str, Any]):
        torch.manual_seed(c["seed"])
        self.c, z, width = c, c["z_dim"], c["disc_width"]
        self.z_h, z_c = c["z_h_dim"], c["z_dim"] - c["z_h_dim"]
        flat = JOINTS * AXES
        self.networks = nn.ModuleDict(
            {
                "encoder_x": resnet18(2 * z),
                "decoder_x": image_decoder(z, c["reconstruction_size"]),
                "encoder_y": stack(5, flat, c["joint_width"], 2 * z),
                "decoder_y": stack(5, z, c["joint_width"], flat),
                "translator": stack(5, z_c, width, 2 * z_c),
                "disc_h": stack(4, self.z_h, width, 1),
                "disc_c": stack(4, z_c, width, 1),
            }
        ).to(memory_format=torch.channels_last)
        vae = ["encoder_x", "decoder_x", "encoder_y", "decoder_y"]
        rates = c["learning_rate"], c["disc_learning_rate"]
        self.adversaries = self._adam(["disc_h", "disc_c"], rates[1], 0.5)
        self.others = [self._adam(vae, rates[0], 0.9), self._adam(["translator"], rates[1], 0.5)]
        self.bfloat16 = c["precision"] == "mixed_bfloat16"
        self.image_networks = [self.networks[name] for name in ("encoder_x", "decoder_x")]
        if c["compiled"]:
            self.image_networks = [torch.compile(network) for network in self.image_networks]
        self.log_var = 2 * torch.tensor(c["initial_std"]).log().item()
        self.batch = self._random_batch()

    def _adam(self, names, rate, beta_1):
        weights = [w for name in names for w in self.networks[name].parameters()]
        return torch.optim.Adam(weights, rate, (beta_1, 0.999), 1e-7, fused=True)

    def _random_batch(self):
        batch, sizes = self.c["batch_size"], (self.c["input_size"], self.c["reconstruction_size"])
        images = [torch.rand(batch, 3, size, size) - 0.5 for size in sizes]
        x, target = (i.contiguous(memory_format=torch.channels_last) for i in images)
        return {"x": x, "x_target": target, "y": torch.rand(batch, JOINTS, AXES) - 0.5}

    def _of_images(self, network: int, inputs: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            outputs = self.image_networks[network](inputs)
        return outputs.float()

    def step(self) -> float:
        """One update of the discriminators, then one of everything else; the pose's loss."""
        n, c, (x, x_target, y) = self.networks, self.c, self.batch.values()
        q_x = Gaussian.of(self._of_images(0, x), self.log_var)
        q_y = Gaussian.of(n["encoder_y"](y), self.log_var)
        (h_x, c_x), (h_y, c_y) = (q.split(self.z_h) for q in (q_x, q_y))
        z_h_x, z_c_x, z_h_y, z_c_y = (q.sample() for q in (h_x, c_x, h_y, c_y))
        translated = Gaussian.of(n["translator"](z_c_x.detach()), self.log_var)
        z_c_y_hat = translated.sample()
        self._judge(z_h_x.detach(), z_h_y.detach(), z_c_y_hat.detach(), z_c_y.detach())

        for judge in ("disc_h", "disc_c"):
            n[judge].requires_grad_(False)
        x_rec = 0.5 * self._of_images(1, torch.cat([z_h_x, z_c_x], 1))
        y_rec = n["decoder_y"](torch.cat([z_h_y, z_c_y], 1))
        d_vae_x = (x_rec - x_target).square().flatten(1).mean(1) + c["weight_kl"] * q_x.kl()
        d_vae_y = distance(y_rec, y) + c["weight_kl"] * q_y.kl()
        align = 0.5 * (bce(n["disc_h"](z_h_y), 0.0) + bce(n["disc_h"](z_h_x), 1.0))
        translate = (z_c_y_hat - z_c_y.detach()).abs().mean(1)
        translate = translate + 0.5 * bce(n["disc_c"](z_c_y_hat), 1.0)
        q_c_y_hat = Gaussian.of(n["translator"](z_c_x), self.log_var)
        y_pred = n["decoder_y"](torch.cat([z_h_x, q_c_y_hat.sample()], 1))
        pose = distance(y_pred, y) + c["weight_kl"] * (h_x.kl() + q_c_y_hat.kl())
        terms = {"d_vae_x": d_vae_x, "d_vae_y": d_vae_y, "align": align}
        terms |= {"translate": translate, "pose": pose}
        self._update(sum(c[f"weight_{k}"] * v.mean() for k, v in terms.items()), self.others)
        for judge in ("disc_h", "disc_c"):
            n[judge].requires_grad_(True)
        return pose.mean().item()

    def _judge(self, z_h_x, z_h_y, z_c_y_hat, z_c_y):
        d_h, d_c, c = self.networks["disc_h"], self.networks["disc_c"], self.c
        of_h = 0.5 * (bce(d_h(z_h_x), 0.0) + bce(d_h(z_h_y), 1.0))
        of_c = 0.5 * (bce(d_c(z_c_y_hat), 0.0) + bce(d_c(z_c_y), 1.0))
        loss = c["weight_disc_h"] * of_h.mean() + c["weight_disc_c"] * of_c.mean()
        self._update(loss, [self.adversaries])

    def _update(self, loss, optimizers):
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()

    def parameters(self) -> dict[str, int]:
        """Trained numbers by network."""
        return {n: sum(p.numel() for p in of.parameters()) for n, of in self.networks.items()}

    def flops(self) -> int:
        """Floating-point operations of a step's matrix products and convolutions."""
        with FlopCounterMode(display=False) as counter:
            self.step()
        return counter.get_total_flops()


def told() -> Iterator[Any]:
    """What comes in, a line of JSON at a time."""
    return (json.loads(line) for line in sys.stdin)


def main() -> None:
    """Lines of JSON in and out, until the first ends."""
    lines = told()
    options = next(lines)
    torch.set_num_threads(options["threads"])
    peer = Peer(options)
    sizes = {"torch": torch.__version__, "parameters": peer.parameters()}
    if not options["compiled"]:
        sizes["flops"] = peer.flops()
    print(json.dumps(sizes), flush=True)
    for count in lines:
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            peer.step()
            seconds.append(time.perf_counter() - start)
        print(json.dumps(seconds), flush=True)


if __name__ == "__main__":
    main()
