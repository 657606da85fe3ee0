using System.Globalization;
using Distributed.Bench.Processes;
using Distributed.Bench.Results;
using Distributed.Bench.Training;
using Distributed.Coordinator.Commands;
using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Bench.Measures;

/// <summary>
/// The cost of encryption between machines: two workers, with certificates against without. Each process sees its own kernel boot id, which
/// keeps it from sharing memory with others. The network is the loopback, which is faster than any other, so this is an upper bound.
/// </summary>
internal static class TlsCost
{
    private const int Workers = 2, Batch = Workers * Workload.WorkerBatch;

    /// <summary>The runs without certificates take the place of the peer.</summary>
    public static IReadOnlyList<Measure> All { get; } = [.. new[] { Workload.Cnn, Workload.Mlp }.Select(
        workload => new Measure($"tls {workload.Name}", conditions => RunAsync(conditions, workload)))];

    private static async Task<IReadOnlyList<Row>> RunAsync(Conditions conditions, Workload workload)
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess)
            throw new BenchException("simulated machines need Linux and root");
        using var folder = new TemporaryFolder();
        var (data, certificates) = (folder["data"], folder["certs"]);
        SyntheticImages.Write(data, workload.Steps * Batch);
        CertsCommand.Create(certificates, [], days: 1, DateTimeOffset.UtcNow);
        JoinTokenFile.Write(folder["token"], JoinToken.Create());
        var pairs = await conditions.RepeatInTurnAsync($"tls {workload.Name}", StepAsync).ConfigureAwait(false);
        Pair[] rows = [.. pairs.Select(pair => new Pair(pair.With, pair.Without))];
        return [Row.OfPairs($"tls {workload.Name}: step of two machines, encrypted against plain, ms", rows)];

        async Task<double> StepAsync(bool isEncrypted)
        {
            using var runs = new TemporaryFolder();
            string[] security = isEncrypted ? ["--certs", certificates] : ["--token-file", folder["token"]];
            var port = Ports.Free().ToString(CultureInfo.InvariantCulture);
            var run = new TrainingRun(workload.JobFile, Workers: 0, Batch)
            {
                Data = data,
                MinWorkers = Workers,
                Overrides = [$"epochs={workload.Epochs / 2}", $"topology={conditions.Topology}"],
                Arguments = ["--port", port, .. security],
            };
            await ChildProcess.RunTogetherAsync(
            [
                OnMachine("center", run.Command(runs["run"])),
                .. Enumerable.Range(1, Workers).Select(i => OnMachine($"worker-{i}", ChildCommand.Dotnet(Programs.Worker,
                    ["--coordinator", $"127.0.0.1:{port}", "--device", "cpu", "--name", $"worker-{i}", "--data-dir", data, .. security]))),
            ], conditions.Stopping).ConfigureAwait(false);
            return History.SteadyMilliseconds(History.Milliseconds(File.ReadAllLines(Path.Combine(runs["run"], "history.csv")), Batch));

            ChildCommand OnMachine(string name, ChildCommand command)
            {
                File.WriteAllText(runs[name], $"{Guid.NewGuid()}\n");
                var script = $"mount --bind '{runs[name]}' /proc/sys/kernel/random/boot_id && exec \"$@\"";
                return new("unshare", ["--mount", "sh", "-c", script, "sh", command.Program, .. command.Arguments]);
            }
        }
    }
}
