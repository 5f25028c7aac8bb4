"""`codebudget leaderboard publish`: the hub's files, checked against the hub's library, and an upload to a server."""

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
import yaml
from codebudget.leaderboard.publish import write_published

BIG, SMALL = "codellama/CodeLlama-13b-hf", "codellama/CodeLlama-7b-hf"
TASK = ("--hub-task", "tiny=acme/tiny:main")


class Hub(ThreadingHTTPServer):
    """The few answers of the hub that an upload of small files needs; it keeps what it was sent."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.commits: dict[str, list[dict]] = {}
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.answer({"sha": "0" * 40, "id": "acme/run", "siblings": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.server.asked.append((self.path, self.headers.get("Authorization", "")))
        if "/preupload/" in self.path:
            names = [one["path"] for one in json.loads(body)["files"]]
            self.answer({"files": [{"path": n, "uploadMode": "regular", "shouldIgnore": False} for n in names]})
        elif "/commit/" in self.path:
            self.server.commits[self.path] = [json.loads(line) for line in body.splitlines()]
            url = f"{self.server.url}/acme/run"
            self.answer({"commitUrl": f"{url}/commit/{'1' * 40}", "commitOid": "1" * 40,
                         "pullRequestUrl": f"{url}/discussions/1"})  # fmt: skip
        else:
            self.answer({"url": f"{self.server.url}/datasets/acme/run", "name": "acme/run"})

    def answer(self, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def hub() -> Iterator[Hub]:
    serving = Hub()
    yield serving
    serving.shutdown()
    serving.server_close()


def test_results_are_what_the_library_reads(made: Path, command) -> None:
    done = command(made, "leaderboard", "publish", "run", *TASK, "--dataset", "acme/run", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["pushed"] == []
    assert set(answer["results"]) == {BIG, SMALL}
    (name,) = answer["results"][SMALL]
    assert name == "models/codellama--CodeLlama-7b-hf/.eval_results/tiny-bf16.yaml"
    rows = yaml.safe_load((made / "run-hub" / name).read_text())
    if not hasattr(huggingface_hub, "parse_eval_result_entries"):
        pytest.skip("this huggingface_hub does not know the format")
    (entry,) = huggingface_hub.parse_eval_result_entries(rows)
    assert huggingface_hub.eval_result_entries_to_yaml([entry]) == rows
    assert (entry.dataset_id, entry.task_id) == ("acme/tiny", "main")
    # Of four samples each, three tasks: double has 2 right, square 2, negate 1.
    assert entry.value == pytest.approx(100 * (2 + 2 + 1) / 12, abs=1e-3)
    assert entry.source_url == "https://huggingface.co/datasets/acme/run"
    assert "pass@1 in percent; 3 of 4 tasks; 4 samples per task" in entry.notes
    started = json.loads((made / "run" / "timings.json").read_text())["started_at"]
    assert entry.date == started
    for path in (made / "run").iterdir():
        assert (made / "run-hub" / "dataset" / path.name).read_bytes() == path.read_bytes()
    card = huggingface_hub.DatasetCard.load(made / "run-hub" / "dataset" / "README.md")
    assert [one["config_name"] for one in card.data.to_dict()["configs"]] == ["candidates", "verdicts", "rankings"]
    run_id = json.loads((made / "run" / "manifest.json").read_text())["run_id"]
    assert run_id in card.text
    # Again, in place of itself.
    assert command(made, "leaderboard", "publish", "run", *TASK).returncode == 0


def test_a_benchmark_that_the_hub_lacks_is_said_and_never_guessed(made: Path, tmp_path: Path) -> None:
    published = write_published(made / "run", tmp_path / "out", typed=True)
    assert published.results == {}
    assert published.left_out == ("tiny: no dataset of the hub is known for it; give `hub_tasks` tiny=OWNER/DATASET",)
    assert (tmp_path / "out" / "dataset" / "results.json").is_file()


def test_a_changed_run_is_not_published(made: Path, tmp_path: Path, command) -> None:
    shutil.copytree(made / "run", tmp_path / "run")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    results["name"] = "better"
    (tmp_path / "run" / "results.json").write_text(json.dumps(results))
    done = command(tmp_path, "leaderboard", "publish", "run", *TASK)
    assert done.returncode == 2
    assert "results.json changed after the run was made" in done.stderr
    assert not (tmp_path / "run-hub").exists()


def test_nothing_else_is_replaced(made: Path, tmp_path: Path, command) -> None:
    (tmp_path / "mine").mkdir()
    done = command(tmp_path, "leaderboard", "publish", made / "run", "--out", "mine")
    assert done.returncode == 2
    assert "mine exists and is no folder of this kind" in done.stderr


def test_an_upload_needs_a_token_and_goes_to_the_dataset_and_as_pull_requests(made, tmp_path, command, hub) -> None:
    push = ("leaderboard", "publish", made / "run", *TASK, "--dataset", "acme/run", "--push")
    online = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1"}
    done = command(tmp_path, *push, **online)
    assert done.returncode == 2
    assert "--push needs a token of the hub" in done.stderr
    assert hub.asked == []
    assert not (tmp_path / "run-hub").exists()
    done = command(tmp_path, *push, **online, HF_TOKEN="hf_secret")
    assert done.returncode == 0, done.stderr
    assert {token for _, token in hub.asked} == {"Bearer hf_secret"}
    assert "hf_secret" not in done.stdout + done.stderr
    paths = {path.partition("?")[0]: path for path in hub.commits}
    assert set(paths) == {
        "/api/datasets/acme/run/commit/main",
        f"/api/models/{BIG}/commit/main",
        f"/api/models/{SMALL}/commit/main",
    }
    assert "create_pr=1" in paths[f"/api/models/{SMALL}/commit/main"]
    sent = hub.commits[paths[f"/api/models/{SMALL}/commit/main"]]
    assert [line["value"]["path"] for line in sent if line["key"] == "file"] == [".eval_results/tiny-bf16.yaml"]
    dataset = hub.commits[paths["/api/datasets/acme/run/commit/main"]]
    names = {line["value"]["path"] for line in dataset if line["key"] == "file"}
    assert {"README.md", "manifest.json", "results.json", "candidates.jsonl.gz"} <= names


def test_a_hub_that_refuses_is_said_in_one_line(made: Path, tmp_path: Path, command) -> None:
    push = ("leaderboard", "publish", made / "run", *TASK, "--dataset", "acme/run", "--push")
    gone = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_TOKEN": "hf_x"}
    done = command(tmp_path, *push, **gone)
    assert done.returncode == 3
    assert "the hub refused" in done.stderr.splitlines()[-1]
