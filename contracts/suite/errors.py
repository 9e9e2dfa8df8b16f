"""What can go wrong in judging a batch. A broken rule is a verdict, never one of these."""

from __future__ import annotations

from hub.errors import HubError


class JudgeFailed(HubError):
    """Great Expectations could not look at the metrics: nothing is known about the batch."""

    code = "HUB-CON-211"
    en = "the batch rules of {feed} could not be judged for batch {batch}: {reason}"
    zh = "{feed} 批次 {batch} 的批次规则无法判定：{reason}"
    remedy_en = "the batch is neither passed nor failed; mend the rule ({rule}) or the installation and run it again"
    remedy_zh = "该批次既未通过也未失败；请修复规则（{rule}）或安装环境后重新运行"


class BatchRuleNotRunnable(HubError):
    """A contract names a batch rule that no metric answers."""

    code = "HUB-CON-212"
    en = "{feed}: the batch rule {rule} can't be run: {reason}"
    zh = "{feed}：批次规则 {rule} 无法执行：{reason}"
    remedy_en = "run `hub contract lint`; it names the line"
    remedy_zh = "请运行 `hub contract lint` 查看所在行"


class DocsPortTaken(HubError):
    """The Data Docs can't be served at the port that was asked for."""

    code = "HUB-CON-213"
    en = "port {port} on 127.0.0.1 can't be had"
    zh = "127.0.0.1 的端口 {port} 无法使用"
    remedy_en = "leave --port away, then a free one is taken, or name another"
    remedy_zh = "请不写 --port（自动选用空闲端口）或另指定端口"
