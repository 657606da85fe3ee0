using System.CommandLine;
using System.Net;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Processes;

namespace Distributed.Coordinator.Observers;

/// <summary>What the command line says of where metrics and page are served.</summary>
internal sealed record PageArguments
{
    /// <summary>Address that the metrics are served at; null for that of everything else.</summary>
    public string? MetricsBind { get; init; }

    /// <summary>Address that the page is served at; null for loopback.</summary>
    public string? Bind { get; init; }

    /// <summary>Port of the page; 0 for a free one.</summary>
    public int Port { get; init; }

    /// <summary>Names under which both are asked for, beside those that the machine has here.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>A run that goes on, with what is given here in place of what it was begun with. Its page stays where it was: browsers look there.</summary>
    public RunState Over(RunState begun) => begun with
    {
        MetricsBind = MetricsBind ?? begun.MetricsBind,
        PageBind = Bind ?? begun.PageBind,
        AllowedHosts = AllowedHosts.Count > 0 ? AllowedHosts : begun.AllowedHosts,
    };
}

/// <summary>The options of the command line that say it.</summary>
internal sealed class PageOptions
{
    public Option<string?> MetricsBind { get; } = new("--metrics-bind") { Description = "Address of this machine to serve /metrics, /healthz and /readyz at: 0.0.0.0 for all. Default: that of --bind." };

    public Option<string?> Bind { get; } = new("--page-bind") { Description = "Address of this machine to serve the live page and the run's files at. Default: 127.0.0.1; at any other, a reader needs the token that is in the printed address, and nothing is encrypted." };

    public Option<int> Port { get; } = new("--page-port") { Description = "Port of the live page; 0 for a free one.", DefaultValueFactory = _ => 0 };

    public Option<string[]> AllowedHosts { get; } = AllowHostOption.Create();

    /// <summary>With the bounds of the port.</summary>
    public PageOptions() => Port.Within(0, IPEndPoint.MaxPort);

    public IEnumerable<Option> All => [MetricsBind, Bind, Port, AllowedHosts];

    public PageArguments Of(ParseResult parsed) => new()
    {
        MetricsBind = parsed.GetValue(MetricsBind),
        Bind = parsed.GetValue(Bind),
        Port = parsed.GetValue(Port),
        AllowedHosts = parsed.GetValue(AllowedHosts) ?? [],
    };
}
