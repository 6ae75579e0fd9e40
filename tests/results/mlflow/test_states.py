"""What is read from the tables of an SQLite store is what MLflow's own search finds."""

from __future__ import annotations

from mlflow import MlflowClient
from support.evidence import fill, record

from harness.results.mlflow.states import KEY, PARENT, SHOWS, RunState, RunStates, read_states
from harness.results.publish import Publisher
from harness.results.store import RunStore


def test_the_tables_say_what_the_search_says(store: RunStore) -> None:
    made = fill(store, done=2)
    failed = record(fold=2)
    store.write_failure(failed.unit_id, "boom", study_id=failed.study_id, spec=failed.spec)
    Publisher(store).sync()
    database = store.root / "mlflow.db"
    client = MlflowClient(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("toy").experiment_id
    client.create_run(experiment, start_time=1, tags={"somebody": "else's"})
    deleted = client.create_run(experiment, tags={KEY: "gone"})
    client.delete_run(deleted.info.run_id)

    searched = [RunState.of(run) for run in client.search_runs([experiment])]
    assert read_states(database, experiment) == searched and len(searched) == 5
    (parent,) = RunStates(searched).of(failed.study_id)
    assert not RunStates(searched).of("nothing")
    for tag, value in ((PARENT, parent.run_id), (KEY, parent.tags[KEY]), (SHOWS, "x' OR '1' = '1")):
        query = f"tags.`{tag}` = '{value}'"
        expected = [] if tag == SHOWS else [RunState.of(run) for run in client.search_runs([experiment], query)]
        assert read_states(database, experiment, tag, value) == expected
    assert [one.status for one in RunStates(searched).of(made[0].unit_id)] == ["FINISHED"]
    assert read_states(database, "no such experiment") == []
