"""What codebudget adds to an engine: its samples per second over those of the bare library, on the same requests.

    python benchmarks/sampler/engines.py vllm [--samples N] [--rounds N]
    python benchmarks/sampler/engines.py transformers [--samples N] [--rounds N]

Makes a random Llama of 0.9 million parameters, so nothing is downloaded, and draws tokens at temperature 0.8 and top-p
0.95 in rounds, each way once per round; a ratio is the median of the rounds' own. On a machine that others use,
OMP_NUM_THREADS=1 keeps threads from waiting for each other. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from codebudget.sampler.engine import Draw, Sampling

STOP = ("\ndef", "\nclass", "\n#", "\nif", "\nprint")
TOKENS = 64
PROMPTS = 16
ROWS = 64


def make_model(folder):
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    corpus = [path.read_text(encoding="utf-8") for path in Path(__file__).resolve().parents[2].glob("*.py")]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=1024, special_tokens=["</s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(corpus, trainer)
    wrapped = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>")
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(wrapped),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=None,
        eos_token_id=0,
        tie_word_embeddings=True,
        initializer_range=0.1,
    )
    transformers.LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    wrapped.save_pretrained(folder)


def make_draws(count):
    prompts = [
        f'def add_{place}(a, b):\n    """Add {place} to the sum of two numbers."""\n' for place in range(PROMPTS)
    ]
    return [Draw(prompts[place % PROMPTS], place) for place in range(count)]


def through_codebudget(engine, draws, **settings):
    def run():
        sampling = Sampling(max_tokens=TOKENS, **settings)
        return sum(generation.output_tokens for _, generation in engine.generate(draws, sampling))

    return run


def vllm_ways(folder, draws):
    from codebudget.sampler.engines.vllm_engine import VllmEngine
    from vllm import SamplingParams

    engine = VllmEngine(folder, "bf16")
    llm = engine._llm  # The very same engine, so that nothing else differs.

    def raw(**settings):
        def run():
            params = [
                SamplingParams(temperature=0.8, top_p=0.95, max_tokens=TOKENS, seed=draw.seed, **settings)
                for draw in draws
            ]
            answers = llm.generate([draw.prompt for draw in draws], params, use_tqdm=False)
            return sum(len(answer.outputs[0].token_ids) for answer in answers)

        return run

    stop = list(STOP)
    return "LLM.generate", {
        "LLM.generate": raw(stop=stop),
        "codebudget": through_codebudget(engine, draws, stop=STOP, logprobs=False),
        "LLM.generate, logprobs=0": raw(stop=stop, logprobs=0),
        "LLM.generate, logprobs=0, flat_logprobs": raw(stop=stop, logprobs=0, flat_logprobs=True),
        "codebudget with logprobs": through_codebudget(engine, draws, stop=STOP),
        "codebudget with logprobs, no stop strings": through_codebudget(engine, draws),
    }


def transformers_ways(folder, draws):
    from codebudget.sampler.engines.transformers_engine import TransformersEngine

    engine = TransformersEngine(folder, "bf16", most_rows=ROWS)
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, padding_side="left", pad_token="</s>")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()

    def plain():
        produced = 0
        ordered = sorted(draws, key=lambda draw: draw.prompt)
        for start in range(0, len(ordered), ROWS):
            batch = tokenizer(
                [draw.prompt for draw in ordered[start : start + ROWS]], return_tensors="pt", padding=True
            )
            output = model.generate(
                **batch,
                do_sample=True,
                temperature=0.8,
                top_p=0.95,
                top_k=0,
                max_new_tokens=TOKENS,
                pad_token_id=tokenizer.pad_token_id,
            )[:, batch["input_ids"].shape[1] :]
            tokenizer.batch_decode(output, skip_special_tokens=True)
            ends = (output == tokenizer.eos_token_id).int()
            produced += sum(int(row.argmax()) + 1 if row.any() else len(row) for row in ends)
        return produced

    return "generate in batches", {
        "generate in batches": plain,
        "codebudget": through_codebudget(engine, draws, logprobs=False),
        "codebudget with logprobs": through_codebudget(engine, draws),
        "codebudget with logprobs and stop strings": through_codebudget(engine, draws, stop=STOP),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("engine", choices=("vllm", "transformers"))
    parser.add_argument("--samples", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    draws = make_draws(arguments.samples)
    with tempfile.TemporaryDirectory() as folder:
        make_model(folder)
        base, ways = (vllm_ways if arguments.engine == "vllm" else transformers_ways)(folder, draws)
        speeds = {name: [] for name in ways}
        for number in range(arguments.rounds + 1):
            for name, run in ways.items():
                start = time.perf_counter()
                speed = run() / (time.perf_counter() - start)
                # The first round pays for what is compiled or read once.
                if number:
                    speeds[name].append(speed)
                print(f"round {number}: {name}: {speed:,.0f} tokens/s", file=sys.stderr)
    print(f"| {arguments.samples} samples, at most {TOKENS} tokens | tokens/s | over {base} |\n|---|---|---|")
    for name, found in speeds.items():
        ratio = statistics.median(one / other for one, other in zip(found, speeds[base], strict=True))
        print(f"| {name} | {statistics.median(found):,.0f} | {ratio:.2f} |")
    sys.stdout.flush()
    # An engine's own threads may outlive it.
    os._exit(0)


if __name__ == "__main__":
    main()
