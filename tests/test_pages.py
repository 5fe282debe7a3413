"""README and docs/: what stands on a page runs as it stands, from top to bottom."""

import contextlib
import io
import json
import re
import shlex
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tfpfd

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")],
    key=lambda page: page.relative_to(ROOT).as_posix(),
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"[-+−]?\d*\.?\d+")


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks_of(page, language):
    """Blocks of a language as (line that they begin in, text)."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        (text.count("\n", 0, found.start(2)), found[2])
        for found in FENCE.finditer(text)
        if found[1] == language
    ]


def shown_after(page, python):
    """The output that a page shows right after a block of Python, or None."""
    text = (ROOT / page).read_text(encoding="utf-8")
    after = text.partition(f"```python\n{python}```")[2]
    found = re.match(r"\n\n```text\n(.*?)^```$", after, re.M | re.S)
    return found and found[1]


def run(page, names=None, **replaced):
    """Runs the Python of a page in one namespace, as a reader who copies it would.

    Args:
      page: its name.
      names: what an earlier page left, if it goes on from one.
      replaced: text by the text that stands for it.

    Returns:
      The names that it leaves.
    """
    names = {"__name__": "__main__"} if names is None else dict(names)
    for line, block in blocks_of(page, "python"):
        code = "\n" * line + block  # So errors name lines of the page.
        for old, new in replaced.items():
            code = code.replace(old, new)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(code, page, "exec"), names)
        if (shown := shown_after(page, block)) is not None:
            # Figures differ between machines; what is said of them has tests of its own.
            assert NUMBER.sub("#", said.getvalue()).split() == NUMBER.sub("#", shown).split()
        names["said"] = said.getvalue()
    return names


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The folder that a page writes into."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def films(movielens, tmp_path_factory):
    """What "training" leaves behind: its names, and the folder with its export."""
    folder = tmp_path_factory.mktemp("films")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return run("docs/training.md"), folder


def of_page(page):
    def marked(test):
        test.page = page
        return test

    return marked


def test_every_page_with_python_is_run():
    run = [test.page for test in vars(TestPython).values() if hasattr(test, "page")]
    assert sorted(run) == [name_of(p) for p in PAGES if blocks_of(name_of(p), "python")]


class TestPython:
    @pytest.mark.slow
    @of_page("README.md")
    def test_the_first_gain_stands(self, here):
        pytest.importorskip("scipy")
        names = run("README.md")
        found, metric = names["found"], "recall@50"
        assert found.seeds == 5
        for control in ("base", "self", "shuffled"):
            assert found.minus("distilled", control, metric).low > 0, control
        means = found.to_frame()[metric]["mean"]
        assert means["distilled"] > means["popularity"]

    @pytest.mark.slow
    @of_page("docs/training.md")
    def test_training_and_export(self, films):
        names, folder = films
        assert tfpfd.inspect_export(folder / "saved_models" / "films").findings == []
        history = names["model"].history.history
        assert len(history["val_loss"]) == 4 and np.isfinite(history["loss"]).all()

    @pytest.mark.slow
    @of_page("docs/your-data.md")
    def test_your_data(self, here):
        names = run("docs/your-data.md")
        assert names["logits"].shape == (len(names["test"]),)
        assert set(names["taught"].features("privileged")) <= set(names["later"])

    @pytest.mark.slow
    @of_page("docs/shop.md")
    def test_a_shop(self, here):
        names = run("docs/shop.md")
        first, second = (here / "saved_models" / "shop" / number for number in "12")
        for version, items in ((first, 100), (second, 103)):
            found = tfpfd.inspect_export(version)
            assert found.findings == []
            assert found.manifest["items"] == items
            assert {"dwell", *(one.name for one in names["past"].declarations)} <= {*found.stripped}
        assert set(names["new"]["item"]) <= set(names["ranked"])
        assert names["found"]["teacher_auc"] > names["found"]["student_auc"] > 0.5

    @pytest.mark.slow
    @of_page("docs/methods.md")
    def test_a_label_store(self, here):
        history = run("docs/methods.md")["model"].history.history
        assert np.isfinite(history["distillation_loss"]).all()

    @pytest.mark.slow
    @of_page("docs/unexposed.md")
    def test_unexposed(self, here):
        names = run("docs/unexposed.md")
        labels = np.concatenate([labels for _, labels in names["train"]])
        assert np.isnan(labels).sum() == len(names["drawn"]) == len(names["shop"].train)

    @pytest.mark.slow
    @of_page("docs/objectives.md")
    def test_several_objectives(self, here):
        names = run("docs/objectives.md")
        assert names["first"].path.parent.resolve() == here / "models" / "shop"

    @of_page("docs/networks.md")
    def test_networks_of_another_kind_teach_and_serve(self, here):
        names = run("docs/networks.md")
        assert names["teacher"].encoder.candidates("seen") == ["film"]
        for name in ("films", "fine", "sasrec"):
            assert tfpfd.inspect_export(here / "saved_models" / name).findings == []

    @of_page("docs/audit.md")
    def test_the_audit_says_what_the_page_says(self, here):
        pytest.importorskip("matplotlib").use("Agg")
        names = run("docs/audit.md")
        assert names["report"].verdict.kind == "helps"
        assert (here / "audit" / "report.html").is_file()

    @of_page("docs/next-day.md")
    def test_the_next_day(self, here):
        names = run("docs/next-day.md")
        assert list(tfpfd.lineage("models/shop").index) or names["version"].number == 1
        assert tfpfd.inspect_export(here / "saved_models" / "shop").findings == []

    @pytest.mark.slow
    @of_page("docs/protocol.md")
    def test_the_protocol(self, movielens, here):
        pytest.importorskip("sklearn")
        found = run("docs/protocol.md")["found"]
        assert found.seeds == 5 and set(found.rivals) == {"bias", "logistic", "trees"}

    @pytest.mark.slow
    @of_page("docs/datasets.md")
    def test_other_data(self, kuairand_folder, here):
        (here / "KuaiRand-Pure").symlink_to(kuairand_folder.resolve(), target_is_directory=True)
        names = run("docs/datasets.md")
        assert set(names["schema"].column_names) <= set(names["data"].train)

    @pytest.mark.slow
    @of_page("docs/serving.md")
    def test_requests_and_approximate_search(self, films, monkeypatch):
        grpc = pytest.importorskip("grpc")
        service = pytest.importorskip("tensorflow_serving.apis.prediction_service_pb2_grpc")
        for package in ("faiss", "scann"):
            pytest.importorskip(package)
        names, folder = films
        monkeypatch.chdir(folder)
        server, port = serve(grpc, service, folder / "saved_models" / "films" / "1")
        try:
            # A second is short where tests share the machine.
            replaced = {"8500": str(port), "timeout=1.0": "timeout=60.0"}
            names = run("docs/serving.md", names, **replaced)
        finally:
            server.stop(None)
        assert names["best"].shape == (1, 100)
        assert 0 < float(names["said"].split()[-1]) <= 1


@pytest.mark.slow
def test_requests_of_a_shell(films):
    """What `curl` sends on the page of serving is what the export takes."""
    model = tf.saved_model.load(str(films[1] / "saved_models" / "films" / "1"))
    text = "".join(block for _, block in blocks_of("docs/serving.md", "bash")).replace("\\\n", " ")
    requests = [words for words in map(shlex.split, text.splitlines()) if words[:1] == ["curl"]]
    assert requests
    for words in requests:
        body = json.loads(words[words.index("-d") + 1])
        signature = model.signatures[body.get("signature_name", "serving_default")]
        _, wanted = signature.structured_input_signature
        given = {name: tf.constant(v, wanted[name].dtype) for name, v in body["inputs"].items()}
        assert len(signature(**given)["scores"]) == 1


def commands():
    """Lines of a shell, as (page, line)."""
    for page in map(name_of, PAGES):
        text = (ROOT / page).read_text(encoding="utf-8")
        blocks = [block for _, block in blocks_of(page, "bash")]
        blocks += re.findall(r"^ {4}((?:tfpfd|python) .*)$", text, re.M)
        for line in "".join(f"{block}\n" for block in blocks).replace("\\\n", " ").splitlines():
            yield from ((page, part.strip()) for part in line.split("&&") if part.strip())


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_takes_what_it_is_given(page, line):
    words = shlex.split(line)
    if Path(words[0]).name == "tfpfd":
        typer = pytest.importorskip("typer")
        from tfpfd_cli import app

        command = typer.main.get_command(app).commands[words[1]]
        command.make_context(words[1], words[2:])  # Refuses unknown options; runs nothing.
    elif words[:3] == ["python", "-m", "experiments"] and words[3] != "--list":
        registry = pytest.importorskip("experiments.registry")
        chosen = registry.find(words[3])
        if "--data" in words:
            assert words[words.index("--data") + 1].partition(":")[0] in chosen.sources
    elif words[0] == "python" and words[1].endswith(".py"):
        assert (ROOT / words[1]).is_file()


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_ci_runs_the_tests_as_the_readme_says():
    said = [line for page, line in commands() if page == "README.md" and "pytest" in line]
    assert said == ["~/.venvs/tfpfd/bin/python -m pytest -n 2"]
    assert '/A/bin/python" -m pytest -n 2\n' in (ROOT / ".ci/run").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


def test_every_page_is_linked_and_every_picture_shown():
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    linked = {
        (page.parent / link.partition("#")[0]).resolve()
        for page, text in texts.items()
        for link in re.findall(r"\]\(([^)\s]+)\)", text)
    }
    expected = {*PAGES, *(ROOT / "docs").glob("*.png")} - {ROOT / "README.md"}
    assert expected <= linked


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_names_exist(page):
    """What a page calls `tfpfd.…` is there."""
    text = page.read_text(encoding="utf-8")
    for dotted in set(re.findall(r"\btfpfd((?:\.[A-Za-z_]\w*)+)", text)):
        found = tfpfd
        for part in dotted.split(".")[1:]:
            if not hasattr(found, part):
                __import__(f"{found.__name__}.{part}")
            found = getattr(found, part)


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
