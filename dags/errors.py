"""What Airflow's wiring can report.

AgencyError
├── ContractsBroken    contracts on disk that can't be read; the other feeds run
├── RunRequestInvalid  a run was started with parameters that can't be used
└── DeliveriesUnreadable  deliveries that can't be read; the others are loaded
HubError
├── AirflowRefused     Airflow's API answered that it won't
├── DagUnknown         Airflow has no such DAG (yet)
└── RunNotSucceeded    a run that was waited for ended badly
TransientError
├── AirflowSilent      Airflow's API does not answer
├── RunNotEnded        a run did not end in the time given
└── TaskTooLong        a task was stopped because it took too long
"""

from __future__ import annotations

from hub.errors import AgencyError, HubError, TransientError


class ContractsBroken(AgencyError):
    """Contracts that can't be read. Facts: `count`, `listing` (one line each)."""

    code = "HUB-DAG-001"
    en = "{count} contract(s) can't be used, so their feeds have no DAG; the others run: {listing}"
    zh = "{count} 份数据契约无法使用，对应数据源没有 DAG，其余照常运行：{listing}"
    remedy_en = "correct them: `hub contract lint` names file and line of every problem"
    remedy_zh = "请更正：`hub contract lint` 会指出每处问题的文件和行号"


class RunRequestInvalid(AgencyError):
    """A run's parameters. Facts: `parameter`, `reason`."""

    code = "HUB-DAG-002"
    en = "the run's parameter {parameter} can't be used: {reason}"
    zh = "运行参数 {parameter} 无法使用：{reason}"
    remedy_en = "start the run again with {parameter} corrected or left empty"
    remedy_zh = "请更正或清空参数 {parameter} 后重新运行"


class DeliveriesUnreadable(AgencyError):
    """Deliveries that could not be read; each is a refused batch. Facts: `source`, `count`, `first` (which, and why), `first_code`."""

    code = "HUB-DAG-009"
    en = "{count} deliver(ies) of {source} could not be read, all others are loaded; the first is {first}"
    zh = "来源 {source} 有 {count} 份交付无法读取，其余均已入库；首份：{first}"
    remedy_en = "ask the sender for a readable one; `hub batch list --state refused` names it, `hub batch receipt BATCH` shows what was refused"
    remedy_zh = "请报送方重新交付可读的文件；`hub batch list --state refused` 列出该批次，`hub batch receipt 批次号` 显示拒收内容"


class AirflowRefused(HubError):
    """The API refused a request. Facts: `request`, `status`, `answer` (shortened)."""

    code = "HUB-DAG-004"
    en = "Airflow answered {status} to {request}: {answer}"
    zh = "Airflow 对 {request} 返回 {status}：{answer}"
    remedy_en = "check `hub stack status` and var/logs; 401 or 403 means that the password in the run directory is not this Airflow's"
    remedy_zh = "请查看 `hub stack status` 和 var/logs;401 或 403 表示运行目录中的口令不属于这个 Airflow"


class DagUnknown(HubError):
    """Airflow does not know the DAG. Facts: `dag_id`, `seconds` waited."""

    code = "HUB-DAG-005"
    en = "Airflow has no DAG {dag_id} after {seconds} s"
    zh = "等待 {seconds} 秒后 Airflow 中仍没有 DAG {dag_id}"
    remedy_en = "`hub contract lint` shows whether the contract is broken, var/logs/ what the dag-processor says"
    remedy_zh = "请用 `hub contract lint` 查看契约是否有误，并在 var/logs/ 中查看 dag-processor 日志"


class RunNotSucceeded(HubError):
    """A run ended in another state than success. Facts: `dag_id`, `run_id`, `state`, `tasks` that failed."""

    code = "HUB-DAG-006"
    en = "the run {run_id} of {dag_id} ended as {state} ({tasks})"
    zh = "{dag_id} 的运行 {run_id} 以 {state} 结束（{tasks}）"
    remedy_en = "open the task's log in Airflow: it names the code and the remedy"
    remedy_zh = "请在 Airflow 中打开任务日志，其中有错误代码和处理办法"


class AirflowSilent(TransientError):
    """The API can't be reached. Facts: `address`, `reason`."""

    code = "HUB-DAG-007"
    en = "Airflow does not answer at {address}: {reason}"
    zh = "Airflow（{address}）没有响应：{reason}"
    remedy_en = "`hub stack status` shows whether it runs; `hub stack up` starts it"
    remedy_zh = "请用 `hub stack status` 查看是否运行，用 `hub stack up` 启动"


class RunNotEnded(TransientError):
    """A run goes on. Facts: `dag_id`, `run_id`, `state`, `seconds` waited."""

    code = "HUB-DAG-008"
    en = "the run {run_id} of {dag_id} is still {state} after {seconds} s"
    zh = "{dag_id} 的运行 {run_id} 在 {seconds} 秒后仍为 {state}"
    remedy_en = "it goes on by itself; its page in Airflow shows what it waits for"
    remedy_zh = "运行会自行继续；其 Airflow 页面显示在等待什么"


class TaskTooLong(TransientError):
    """A task took longer than any may, and was stopped. Facts: `task`."""

    code = "HUB-DAG-010"
    en = "the task {task} was stopped: it took longer than a task may"
    zh = "任务 {task} 超过允许的最长时间，已被停止"
    remedy_en = "it is tried again and goes on where it was; its log in Airflow shows what it waited for"
    remedy_zh = "任务会重试并从中断处继续；其 Airflow 日志显示在等待什么"
