"""Two real engines on a CPU answer as one does, and the settings say how many there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from asking import ADAPTER, BASE, MERGED, a_suite, answers, some_choices, some_prompts
from tiny_models import CPU, make_adapter

from regress.backends.hf import HFEngine
from regress.backends.pool import PooledEngine
from regress.demo.project import MODEL
from regress.errors import AdapterError, BackendError
from regress.run.engines import load_engine, worker_devices
from regress.schema import Precision


def test_two_workers_answer_bit_for_bit_like_one(tmp_path: Path) -> None:
    adapter = make_adapter(MODEL, tmp_path / "adapter", scale=0.3)
    choose = a_suite(some_prompts(24), some_choices(24))
    write = a_suite(some_prompts(14, seed=2), max_new_tokens=8)
    one = HFEngine(MODEL, Precision.FP32, CPU, 256)
    two = load_engine(MODEL, Precision.FP32, "cpu", 256, workers=2)
    assert isinstance(two, PooledEngine)
    try:
        assert (two.name, two.device, two.batch_policy) == (one.name, one.device, one.batch_policy)
        assert two.render(choose) == one.render(choose)
        assert two.attach(str(adapter)) == one.attach(str(adapter))
        assert len(two.batches(choose, two.render(choose))) > 2
        for variant in (BASE, ADAPTER, MERGED):
            one.use(variant)
            two.use(variant)
            assert answers(two, choose) == answers(one, choose)
            assert answers(two, write) == answers(one, write)
            assert np.array_equal(two.fingerprint(two.render(choose)[:3]), one.fingerprint(one.render(choose)[:3]))
        untrained = make_adapter(MODEL, tmp_path / "untrained", scale=0.0)
        with pytest.raises(AdapterError, match="identical to the base"):
            two.attach(str(untrained))
        assert two.attach(str(adapter)) == one.attach(str(adapter))
    finally:
        two.close()


def test_how_many_workers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_devices("cpu", "auto") == ("cpu",)
    assert worker_devices("cpu", 3) == ("cpu", "cpu", "cpu")
    names = {0: "big", 1: "big", 2: "display", 3: "big"}
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr("torch.cuda.get_device_name", names.__getitem__)
    assert worker_devices("auto", "auto") == ("cuda:0", "cuda:1", "cuda:3")
    assert worker_devices("cuda", 2) == ("cuda:0", "cuda:1")
    assert worker_devices("auto", 1) == ("cuda:0",)
    assert worker_devices("cuda:1", "auto") == worker_devices("cuda:1", 1) == ("cuda:1",)
    assert worker_devices("cpu", "auto") == ("cpu",)
    with pytest.raises(BackendError, match="names one GPU"):
        worker_devices("cuda:1", 2)
    with pytest.raises(BackendError, match=r"this machine has 4 CUDA devices\. Use `--workers 4`"):
        worker_devices("auto", 5)


def test_one_worker_needs_no_process() -> None:
    assert isinstance(load_engine(MODEL, Precision.FP32, "cpu", None, workers=1), HFEngine)
    assert isinstance(load_engine(MODEL, Precision.FP32, "cpu", None, workers="auto"), HFEngine)
