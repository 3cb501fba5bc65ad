"""Programs as people write them with PyTorch, and what the command says of them afterwards."""

import signal
import subprocess
import sys
import textwrap

import pytest
from conftest import command
from conftest import ended
from conftest import start
from conftest import until

import tracker

pytest.importorskip("torch")

#: Trains from its checkpoint on, if there is one; arguments are a name and `resume` or `new`.
TRAINING = """
    import os, sys, torch, tracker
    name, way = sys.argv[1:3]
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    inputs = torch.rand(64, 4)
    wanted = inputs.sum(1, keepdim=True)
    first, path = 0, name + ".pt"
    if way == "resume":
        saved = torch.load(path)
        first = saved["step"]
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
    options = {"resume": name} if way == "resume" else {"name": name, "experiment": "sums"}
    with tracker.start_run(params={"lr": 0.01, "model": {"width": 8}}, **options) as run:
        for step in range(first, 120):
            if step % 25 == 0:
                states = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save({"step": step, **states}, path)
                run.artifact(path)
            loss = torch.nn.functional.mse_loss(model(inputs), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log({"train/loss": loss, "train/norm": model[0].weight.norm()}, step)
            print(step, flush=True)
"""


def test_a_training_that_is_killed_is_taken_up_again_and_is_the_one_it_would_have_been():
    whole = start(TRAINING, "whole", "new")
    assert ended(whole)[0] == 0
    killed = start(TRAINING, "killed", "new")
    for line in killed.stdout:
        if int(line) == 60:
            break
    killed.send_signal(signal.SIGKILL)
    told = [60, *map(int, killed.communicate()[0].split())][-1]
    run = until(lambda: tracker.run("killed").status == "failed" and tracker.run("killed"))
    steps = list(run.series("train/loss").steps)
    assert steps == list(range(len(steps))) and told < len(steps) < 120
    assert list(run.artifacts) == ["killed.pt"]

    code, out, err = ended(start(TRAINING, "killed", "resume"))
    assert code == 0, err
    began = int(out.split()[0])
    assert began in (25, 50, 75, 100) and told - 25 <= began <= len(steps)
    run, whole = tracker.run("killed"), tracker.run("whole")
    assert len(tracker.runs()) == 2 and run.status == whole.status == "completed"
    for metric in ("train/loss", "train/norm"):
        wanted = dict(zip(*whole.series(metric)))
        assert len(wanted) == 120
        # What was trained twice came out the same: every bit of it.
        assert {(step, wanted[step]) for step in wanted} == set(zip(*run.series(metric)))
    compared = command("compare", "whole", "killed", "--format", "json")
    assert "train/loss" in compared and "train/norm" in compared
    listed = command("ls", "-e", "sums")
    assert listed.count("completed") == 2 and "whole" in listed and "killed" in listed


LOADING = """
    import os, sys, torch, tracker

    class Rows(torch.utils.data.Dataset):
        def __init__(self, run): self.run = run
        def __len__(self): return 40
        def __getitem__(self, at):
            worker = torch.utils.data.get_worker_info().id
            self.run.log({f"worker{worker}/row": at, "rows": at}, at)
            assert tracker.active_run() is self.run
            if at == 39:
                self.run.finish()  # of this worker alone
            return torch.tensor([at / 40])

    if __name__ == "__main__":
        with tracker.start_run("loading") as run:
            model = torch.nn.Linear(1, 1)
            for epoch in range(2):
                loader = torch.utils.data.DataLoader(
                    Rows(run), 4, num_workers=2, multiprocessing_context=sys.argv[1]
                )
                for at, batch in enumerate(loader):
                    run.log({"loss": model(batch).square().mean()}, epoch * 10 + at)
                del loader
                assert tracker.run("loading").status == "running"
"""


def start_file(path, *arguments):
    """Starts a program that stands in a file, as those must that spawn others."""
    program = [sys.executable, path, *arguments]
    return subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader_log_to_the_run_and_never_end_it(method):
    with open("loading.py", "w") as file:
        file.write(textwrap.dedent(LOADING))
    code, _, err = ended(start_file("loading.py", method))
    assert code == 0, err
    (run,) = tracker.runs()
    assert run.status == "completed" and run.reason is None
    assert list(run.series("loss").steps) == list(range(20))
    assert sorted(run.series("rows").values) == sorted([*range(40), *range(40)])
    by_worker = [set(run.series(f"worker{worker}/row").values) for worker in range(2)]
    assert by_worker[0] | by_worker[1] == set(range(40)) and not by_worker[0] & by_worker[1]


RANK = """
    import os, sys, torch, torch.distributed as dist, tracker
    from torch.nn.parallel import DistributedDataParallel

    def train(run):
        rank = dist.get_rank()
        torch.manual_seed(0)
        model = DistributedDataParallel(torch.nn.Linear(2, 1))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        inputs = torch.full((4, 2), float(rank + 1))
        for step in range(20):
            loss = model(inputs).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.log({f"rank{rank}/loss": loss, "norm": model.module.weight.norm()}, step)
        dist.barrier()
"""


def saved(path, program):
    with open(path, "w") as file:
        file.write(textwrap.dedent(RANK) + textwrap.dedent(program))
    return path


def check_ranks(run):
    assert run.status == "completed"
    for rank in range(2):
        assert list(run.series(f"rank{rank}/loss").steps) == list(range(20))
    norms = {}
    for step, value in zip(*run.series("norm")):
        norms.setdefault(step, []).append(value)
    # Both have the same weights, and both said so.
    assert all(len(values) == 2 and values[0] == values[1] for values in norms.values())


def test_rank_zero_starts_the_run_and_the_others_join_it():
    program = saved(
        "ranks.py",
        """
        def main(rank, folder):
            dist.init_process_group(
                "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2
            )
            run = tracker.start_run("ddp", params={"ranks": 2}) if rank == 0 else None
            told = [run.id if run else None]
            dist.broadcast_object_list(told)
            run = run or tracker.join_run(told[0])
            train(run)
            run.finish()
            dist.destroy_process_group()

        if __name__ == "__main__":
            torch.multiprocessing.spawn(main, (os.getcwd(),), nprocs=2)
        """,
    )
    code, _, err = ended(start_file(program))
    assert code == 0, err
    (run,) = tracker.runs()
    assert run.name == "ddp" and run.params == {"ranks": 2}
    check_ranks(run)


def test_ranks_of_a_launcher_find_the_run_in_their_environment():
    program = saved(
        "ranks.py",
        """
        dist.init_process_group("gloo")
        with tracker.start_run("ignored", params={"ranks": dist.get_world_size()}) as run:
            train(run)
        dist.destroy_process_group()
        """,
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += ["--nproc-per-node", "2", program]
    command("run", "-q", "--name", "launched", "--", *torchrun)
    (run,) = tracker.runs()
    assert run.name == "launched" and run.params == {"ranks": 2}
    check_ranks(run)
    assert "launched" in command("best", "rank1/loss")
