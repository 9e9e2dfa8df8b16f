"""What the demonstration can report.

HubError
├── AgenciesFailed   an agency system did not come up
├── FeedStopped      a feed's run did not end well
├── ClaimBroken      the demonstration's own check found what should not be
└── RequestInvalid   ROWS, SEED or KEEP can't be used
"""

from __future__ import annotations

from hub.errors import HubError


class AgenciesFailed(HubError):
    """An agency system did not come up. Facts: `agency`, `reason`, `log`."""

    code = "HUB-DMO-001"
    en = "{agency} did not come up: {reason}"
    zh = "{agency} 未能启动：{reason}"
    remedy_en = "read {log}, then run `make demo` again; it goes on with what is there"
    remedy_zh = "请查看 {log}，然后重新运行 `make demo`"


class FeedStopped(HubError):
    """A feed's run did not end well. Facts: `feed`, `log`; of the failed task `reason` (its code and sentence) and `advice`
    (its remedy, ended by `; `, or empty), both with `_zh`."""

    code = "HUB-DMO-002"
    en = "the feed {feed} did not arrive: {reason}"
    zh = "数据源 {feed} 未能送达：{reason_zh}"
    remedy_en = "{advice}the task's log is {log}; `make demo` again goes on with what is there"
    remedy_zh = "{advice_zh}任务日志：{log}；再次运行 `make demo` 会接着已有的数据继续"


class ClaimBroken(HubError):
    """The figures of a run don't hold. Facts: `count`, `claims` (one a line), `report`."""

    code = "HUB-DMO-003"
    en = "{count} claim(s) of this demonstration do not hold:\n{claims}"
    zh = "演示中有 {count} 项核对不符：\n{claims}"
    remedy_en = "this is a fault of the hub, not of your machine: report it with {report}"
    remedy_zh = "这是枢纽缺陷而非本机问题：请附上 {report} 报告"


class RequestInvalid(HubError):
    """ROWS, SEED or KEEP can't be used. Facts: `name`, `value`, `reason`."""

    code = "HUB-DMO-004"
    en = "{name}={value} can't be used: {reason}"
    zh = "{name}={value} 无法使用：{reason}"
    remedy_en = "run `make demo`, `make demo ROWS=100000` or `make demo KEEP=1`"
    remedy_zh = "请运行 `make demo`、`make demo ROWS=100000` 或 `make demo KEEP=1`"


class SubscriberFailed(HubError):
    """The subscriber could not read the topics to their end. Facts: `reason`."""

    code = "HUB-DMO-005"
    en = "the subscriber could not read the topics to their end: {reason}"
    zh = "订阅方未能读完主题：{reason}"
    remedy_en = "`hub stack status` and `hub relay status` say how broker and relay are; then run `make demo` again"
    remedy_zh = "请用 `hub stack status` 和 `hub relay status` 查看，然后重新运行 `make demo`"
