using System.Globalization;
using System.Text.Json;
using Distributed.Bench.Processes;
using Distributed.Bench.Results;

namespace Distributed.Bench.Measures;

/// <summary>The cost of the coordinator's own work as the cluster grows.</summary>
internal static class CoordinatorCost
{
    private static readonly IReadOnlyList<int> _workers = [10, 100, 1000];

    public static Measure Simulated { get; } = new("coordinator", RunAsync);

    private static async Task<IReadOnlyList<Row>> RunAsync(Conditions conditions)
    {
        var command = ChildCommand.Dotnet(Programs.Bench, "simulate", "--workers", string.Join(',', _workers));
        var results = await conditions.RepeatAsync("coordinator", async _ =>
        {
            var simulated = await ChildProcess.RunAsync(command, conditions.Stopping).ConfigureAwait(false);
            return (JsonElement[])[.. simulated.Output.Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
        }).ConfigureAwait(false);
        return
        [
            .. Rows("CPU of a step, decisions and ledger", "step_us"),
            .. Rows("CPU of a step, with history and progress", "recorded_step_us"),
            .. Rows("CPU of a reconfiguration", "reconfiguration_us"),
        ];

        IEnumerable<Row> Rows(string what, string key) => _workers.Select((workers, i) => Row.OfOurs(
            string.Create(CultureInfo.InvariantCulture, $"coordinator: {what}, {workers:#,0} workers, us"),
            results.Select(lines => lines[i].GetProperty(key).GetDouble())));
    }
}
