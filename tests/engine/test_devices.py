"""A model spread over GPUs, as accelerate spreads it: a module's answer comes back where that module is.

Fake tensors stand in for GPUs: they have devices, shapes and dtypes but no numbers, and refuse to be mixed.
"""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from clvs_core.engine.attention import SharedKeys
from clvs_core.engine.lens import Lens
from clvs_core.models.positions import rerotate
from tests.engine.test_families import FAMILIES, built

FIRST, LAST = torch.device("cuda:0"), torch.device("cuda:1")


@pytest.fixture
def fake():
    with FakeTensorMode() as mode:
        yield mode


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rotation_s_angles_come_from_another_gpu(family, monkeypatch):
    """accelerate puts `rotary_emb`, which is registered last, on the last GPU; layer 0 is on the first."""
    decoder = built(family).hf.get_decoder()
    angles = decoder.rotary_emb.forward
    width = decoder.layers[0].self_attn.head_dim
    keys = torch.randn(1, 2, 5, width)
    places = torch.arange(5).expand(3, 1, 5) if "qwen" in family else torch.arange(5)[None]
    cosines = angles(keys, places, *(decoder.config.layer_types[:1] if "gemma" in family else []))
    with FakeTensorMode() as mode:
        elsewhere = [mode.from_tensor(x).to(LAST) for x in cosines]
        monkeypatch.setattr(decoder.rotary_emb, "forward", lambda *args, **options: elsewhere)
        states = torch.empty(1, 2, 5, width, device=FIRST)
        positions = torch.empty(*places.shape, dtype=torch.long, device=FIRST)
        assert rerotate(decoder, states, positions, positions + 3).device == FIRST


def test_norm_and_unembedding_are_on_another_gpu(fake):
    head, norm = torch.nn.Linear(8, 20, device=LAST), torch.nn.LayerNorm(8, device=LAST)
    lens = Lens(lambda x: head(x.to(LAST)), lambda x: norm(x.to(LAST)))  # as accelerate's hooks bring them their input
    hidden, normed = torch.empty(3, 8, device=FIRST), torch.ones(3, dtype=torch.bool, device=FIRST)
    for wanted in (None, normed):
        assert lens.logits(hidden, wanted).shape == (3, 20)


def test_fake_devices_refuse_to_mix(fake):
    """What the tests above rely on."""
    keys = SharedKeys(torch.empty(1, 2, 5, 16, device=LAST), torch.empty(1, 2, 5, 16, device=LAST))
    with pytest.raises(RuntimeError, match="device"):
        keys.scores(torch.empty(3, 4, 16, device=FIRST))
