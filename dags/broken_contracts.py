"""Tells which contracts can't be used: red as long as there is one, while the DAGs of all others run."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from dags.factory import build, chore_dag
from dags.operators import HubTask

WORDS = """
# 无法使用的数据契约 · Contracts that can't be used

每十分钟读取全部数据契约。有无法读取的契约时本 DAG 失败并列出清单，其余数据源照常运行。
Reads every contract each ten minutes. Fails with the list when one can't be used; all other feeds run.

更正 to correct: `hub contract lint`
"""


class ListBroken(HubTask):
    """Raises ContractsBroken with the list. XCom: the number of contracts."""

    def work(self, context: Any) -> dict[str, Any]:
        """Reads the catalogue and builds every DAG, as the factory does."""
        from contracts import catalogue
        from dags.errors import ContractsBroken
        from dags.words import MAX_ROWS, MAX_TEXT

        found = catalogue.load()
        broken = ["; ".join(str(problem)[:MAX_TEXT] for problem in item.problems[:3]) for item in found.broken]
        for contract in found.feeds.values():
            try:
                build(contract, described=False)
            except Exception as error:  # noqa: BLE001 - whatever Airflow can't take, it is this contract's trouble
                broken.append(f"{contract.path}: no DAG can be made of it ({type(error).__name__})")
        if broken:
            raise ContractsBroken(count=len(broken), listing=" | ".join(broken[:MAX_ROWS]))
        return {"contracts": len(found.feeds)}


dag: DAG = chore_dag("broken_contracts", "无法使用的契约", "*/10 * * * *", WORDS)
ListBroken(task_id="tell", dag=dag, owner="hub", retries=0)
