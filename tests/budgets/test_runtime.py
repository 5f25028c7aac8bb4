import pytest
from codebudget.budgets import runtime
from codebudget.budgets.architecture import Architecture, Experts
from codebudget.budgets.flops import PAPER_WORKLOAD, forward_flops, prefill_flops
from codebudget.budgets.hardware import find_machine
from codebudget.budgets.memory import kv_bytes_per_token, memory_bytes, weight_bytes
from codebudget.budgets.models import find_model
from codebudget.budgets.runtime import Regime, Roofline, fitting_batch, machine_runtime, peak_flops_per_s
from codebudget.budgets.work import decode_work, prefill_work
from codebudget.errors import UserError
from codebudget.records import Workload

SEVEN, SEVENTY = find_model("7b").architecture, find_model("70b").architecture
TOKENS = Workload(convention="tokens", prompt_tokens=150, output_tokens=200, source="test")
H100 = find_machine("h100")


def seconds(
    architecture: Architecture,
    precision: str = "bf16",
    k: int = 1,
    *,
    machine: str = "h100",
    workload: Workload = TOKENS,
    regime: Regime = "latency",
    concurrency: int | None = None,
) -> float:
    return machine_runtime(
        architecture, precision, workload, find_machine(machine), regime=regime, concurrency=concurrency
    )(k)


def test_latency_is_one_prefill_and_the_decode_steps() -> None:
    """Written out step by step for one sequence of a dense model, where every step is bound by memory."""
    hardware = H100.hardware
    bandwidth = runtime.MBU * hardware.memory_bytes_per_s
    read = weight_bytes(SEVEN, "bf16") - 2 * SEVEN.embedding_weights
    prefill = prefill_flops(SEVEN, 150) / (runtime.MFU * hardware.peak_flops_per_s.bf16)
    expected = max(prefill, read / bandwidth) + runtime.PASS_OVERHEAD_S
    for step in range(1, 200):
        cache = (150 + step) * kv_bytes_per_token(SEVEN)
        arithmetic = forward_flops(SEVEN, 1, past_tokens=149 + step) / (runtime.MFU * hardware.peak_flops_per_s.bf16)
        expected += max((read + cache) / bandwidth, arithmetic) + runtime.PASS_OVERHEAD_S
    assert seconds(SEVEN) == pytest.approx(expected, rel=1e-9)


def test_five_samples_cost_little_more_than_one_in_latency_and_five_times_in_throughput() -> None:
    assert 1 < seconds(SEVEN, k=5) / seconds(SEVEN, k=1) < 1.1
    one, five = (seconds(SEVEN, k=k, regime="throughput") for k in (1, 5))
    assert 4 < five / one < 5
    assert seconds(SEVEN, regime="throughput") < seconds(SEVEN) / 10


def test_samples_beyond_what_fits_wait_for_another_wave() -> None:
    limit = fitting_batch(SEVENTY, "int4", TOKENS, H100)
    assert 1 < limit < runtime.MAX_BATCH or limit == runtime.MAX_BATCH
    alone = seconds(SEVEN, k=1, concurrency=4)
    four, five, eight = (seconds(SEVEN, k=k, concurrency=4) for k in (4, 5, 8))
    assert four < alone * 1.1
    assert five > four * 1.9
    assert five < eight


def test_what_fits_is_what_memory_holds() -> None:
    workload = TOKENS.model_copy(update={"prompt_tokens": 4000, "output_tokens": 2000})
    batch = fitting_batch(SEVEN, "bf16", workload, H100)
    assert 1 < batch < runtime.MAX_BATCH
    per_sequence = 5999 * kv_bytes_per_token(SEVEN)
    left = H100.memory_bytes - memory_bytes(SEVEN, "bf16", workload, 1)
    assert batch == 1 + left // per_sequence
    assert fitting_batch(SEVENTY, "bf16", TOKENS, H100) == 0
    assert fitting_batch(SEVENTY, "bf16", TOKENS, find_machine("h100x4")) > 0


def test_fewer_bits_are_read_faster() -> None:
    times = [seconds(SEVEN, precision) for precision in ("fp32", "bf16", "int8", "int4")]
    assert times == sorted(times, reverse=True)
    assert times[1] / times[3] > 2


@pytest.mark.parametrize(
    ("precision", "peak"),
    [
        ("fp32", 67e12),
        *((name, 989.5e12) for name in ("bf16", "fp16", "int4", "nf4", "w4a16-g128", "w8a16")),
        *((name, 1979e12) for name in ("fp8", "int8", "w8a8", "w4a8")),
    ],
)
def test_the_peak_is_of_the_format_that_is_multiplied_in(precision: str, peak: float) -> None:
    assert peak_flops_per_s(H100.hardware, precision) == peak


def test_hardware_without_eight_bit_units_widens() -> None:
    assert peak_flops_per_s(find_machine("a100-80").hardware, "fp8") == 312e12
    assert peak_flops_per_s(find_machine("a100-80").hardware, "int8") == 624e12


def test_devices_share_a_model_and_pay_for_talking() -> None:
    one, two, eight = (seconds(SEVENTY, "int4", machine=name) for name in ("h200", "h200x2", "h200x8"))
    assert eight < two < one
    assert eight > one / 8
    copies = seconds(SEVEN, machine="h100x8", regime="throughput")
    assert copies <= seconds(SEVEN, regime="throughput") / 8
    # Over a slow link, a second device is of less use.
    gains = [seconds(SEVEN, machine=name) / seconds(SEVEN, machine=f"{name}x2") for name in ("l40s", "h100")]
    assert gains[0] > 1
    pace = Roofline.of(find_machine("l40sx2"), SEVEN, "bf16")
    assert pace.prefill_s(prefill_work(SEVEN, "bf16", 4096, 8)) > 8 * 4096 * 4 * 32 * 4096 / 32e9


def test_odd_numbers_of_devices_are_used_as_far_as_heads_allow() -> None:
    assert seconds(SEVEN, machine="h100x3") == seconds(SEVEN, machine="h100x2")
    assert seconds(SEVEN, machine="h100x3", regime="throughput") == pytest.approx(
        seconds(SEVEN, regime="throughput") / 3
    )


def test_a_model_that_does_not_fit_says_what_it_takes() -> None:
    with pytest.raises(UserError, match=r"133.*GiB, too much for h100 with .* use h100x2 or a lower precision"):
        seconds(SEVENTY)
    with pytest.raises(UserError, match="use hardware with more memory"):
        seconds(SEVENTY, "fp32", machine="l4")


def test_a_pass_reads_the_experts_that_its_tokens_are_routed_to() -> None:
    sparse = SEVEN.model_copy(update={"experts": Experts(count=16, active=2, ffn_size=4096)})
    idle_free = weight_bytes(sparse, "bf16") - 2 * sparse.embedding_weights
    read = [decode_work(sparse, "bf16", 10, 2, sequences).weight_bytes for sequences in (1, 2, 16, 1000)]
    assert read == sorted(read)
    active_bytes = 2 * (sparse.active_parameter_count() - sparse.embedding_weights)
    assert read[0] == pytest.approx(active_bytes, rel=1e-9)
    assert read[-1] == pytest.approx(idle_free, rel=1e-9)


def test_a_window_bounds_what_is_read() -> None:
    window = SEVEN.model_copy(update={"sliding_window": 256, "sliding_layers": SEVEN.layers})
    half = window.model_copy(update={"sliding_layers": SEVEN.layers // 2})
    read = [decode_work(shape, "bf16", 200, 201, 3).kv_bytes for shape in (window, half, SEVEN)]
    attended = sum(min(200 + step, 256) for step in range(1, 201))
    assert read[0] == 3 * attended * kv_bytes_per_token(SEVEN)
    assert read[1] == pytest.approx((read[0] + read[2]) / 2)


def test_the_papers_convention_is_one_pass_per_sample() -> None:
    one, ten = (seconds(SEVEN, k=k, workload=PAPER_WORKLOAD, regime="throughput") for k in (1, 10))
    assert ten == pytest.approx(10 * one)
    assert one == pytest.approx(2 * 6.6e9 * 128 / (runtime.MFU * 989.5e12), rel=0.1)
    assert one < seconds(SEVEN, workload=PAPER_WORKLOAD) < ten
