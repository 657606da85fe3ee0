using System.Globalization;
using Distributed.Hosting.Metrics;

namespace Distributed.Bench.Training;

/// <summary>Counters of a coordinator's metrics page.</summary>
/// <param name="Sent">Messages to workers.</param>
/// <param name="Received">Messages from workers.</param>
internal sealed record ControlCounts(double Steps, double Sent, double Received)
{
    public static ControlCounts Of(string page)
    {
        return new(
            Sum($"{MetricNames.Steps} "),
            Sum($"{MetricNames.ControlMessages}{{{MetricLabels.Direction}=\"{MetricLabels.Sent}\""),
            Sum($"{MetricNames.ControlMessages}{{{MetricLabels.Direction}=\"{MetricLabels.Received}\""));

        double Sum(string start) => page.Split('\n')
            .Where(line => line.StartsWith(start, StringComparison.Ordinal))
            .Sum(line => double.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture));
    }
}
