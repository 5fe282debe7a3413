"""The README: its Python runs as it stands, from top to bottom of each section."""

import dataclasses
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

import tfpfd
from tfpfd.auditing import bench
from tfpfd.auditing.arms import Trained

README = Path(__file__).resolve().parents[1] / "README.md"


def blocks_by_section():
    """The Python blocks below each heading, padded so that errors name lines of the README."""
    found, heading = {}, ""
    text = README.read_text(encoding="utf-8")
    for match in re.finditer(r"^## ([^\n]+)$|^```python\n(.*?)^```$", text, re.M | re.S):
        if match[1]:
            heading = match[1]
        else:
            line = text.count("\n", 0, match.start(2))
            found.setdefault(heading, []).append("\n" * line + match[2])
    return found


BLOCKS = blocks_by_section()


def test_every_section_with_python_is_run():
    run = [mark for mark in TestSections.__dict__.values() if hasattr(mark, "section")]
    assert sorted(test.section for test in run) == sorted(BLOCKS)


def section(heading):
    def marked(test):
        test.section = heading
        return test

    return marked


def execute(heading, **replaced):
    """Runs the blocks of a section in one namespace, as a reader who copies them would."""
    names = {"__name__": "__main__"}
    for block in BLOCKS[heading]:
        for old, new in replaced.items():
            block = block.replace(old, new)
        exec(compile(block, README.name, "exec"), names)
    return names


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder that the blocks write into."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def films(movielens, tmp_path_factory):
    """What the first section leaves behind: its names, and the folder with its export."""
    folder = tmp_path_factory.mktemp("films")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return execute("In a notebook"), folder


class TestSections:
    @section("In a notebook")
    def test_training_and_export(self, films):
        names, folder = films
        assert tfpfd.inspect(folder / "saved_models" / "films").findings == []
        # The losses of lists, which the section only compiles.
        fitted = names["model"].fit(names["train"].take(2), verbose=0)
        assert np.isfinite(fitted.history["loss"]).all()

    @section("Several objectives")
    def test_several_objectives(self, here, monkeypatch):
        make = tfpfd.datasets.marketplace
        monkeypatch.setattr(
            tfpfd.datasets, "marketplace", lambda task, users: make(task, users=users // 5)
        )
        names = execute("Several objectives")
        assert names["first"].path.parent.resolve() == here / "models" / "shop"

    @section("Do privileged features help *my* student?")
    def test_the_audit(self, movielens, here, monkeypatch):
        pytest.importorskip("matplotlib").use("Agg")

        def untrained(arm, recipe, schema, train, validation, seed, callbacks):
            student = recipe.student(schema)
            teacher = arm.teacher and recipe.teacher(schema, arm.teacher, student)
            return Trained(student, teacher, losses=(0.7, 0.6), steps=2)

        # What it trains is tested elsewhere, and takes minutes.
        monkeypatch.setattr(bench, "train", untrained)

        def head(data):
            return {part: getattr(data, part).head(300) for part in ("train", "validation", "test")}

        likes = movielens.catalogue(drawn=4)
        few = SimpleNamespace(
            **head(movielens),
            schema=movielens.schema,
            catalogue=lambda: dataclasses.replace(likes, **head(likes)),
        )
        monkeypatch.setattr(tfpfd.datasets, "movielens_100k", lambda: few)
        names = execute("Do privileged features help *my* student?")
        assert (here / "audit" / "report.html").is_file()
        assert names["report"].results.largest.seeds == 5
        assert names["report"].results.metric == "recall@20"

    @section("In a server")
    def test_requests_and_approximate_search(self, films, monkeypatch, capsys):
        grpc = pytest.importorskip("grpc")
        service = pytest.importorskip("tensorflow_serving.apis.prediction_service_pb2_grpc")
        for package in ("faiss", "scann"):
            pytest.importorskip(package)
        folder = films[1]
        monkeypatch.chdir(folder)
        server, port = serve(grpc, service, folder / "saved_models" / "films" / "1")
        try:
            # A second is short where tests share the machine.
            names = execute("In a server", **{"8500": str(port), "timeout=1.0": "timeout=60.0"})
        finally:
            server.stop(None)
        assert names["best"].shape == (1, 100)
        assert 0 < float(capsys.readouterr().out.split()[-1]) <= 1

    @section("Other data")
    def test_other_data(self, kuairand_folder, here):
        (here / "KuaiRand-Pure").symlink_to(kuairand_folder.resolve(), target_is_directory=True)
        names = execute("Other data")
        assert set(names["schema"].column_names) <= set(names["data"].train)


def serve(grpc, service, version):
    """A stand-in for TF Serving: answers the default signature of a version."""
    from tensorflow_serving.apis import predict_pb2

    default = tf.saved_model.load(str(version)).signatures["serving_default"]

    class Servicer(service.PredictionServiceServicer):
        def Predict(self, request, context):
            inputs = {name: tf.constant(tf.make_ndarray(v)) for name, v in request.inputs.items()}
            answer = predict_pb2.PredictResponse()
            for name, value in default(**inputs).items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return answer

    server = grpc.server(ThreadPoolExecutor(1))
    service.add_PredictionServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    return server, port
