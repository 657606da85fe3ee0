using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Distributed.Core.Protocol;
using Distributed.Jobs;

namespace Distributed.EndToEnd.Tests.Processes;

/// <summary>The numbers of a report that tests look at.</summary>
internal sealed record Report
{
    public required long Steps { get; init; }
    public required int Epochs { get; init; }
    public required long SamplesExpected { get; init; }
    public required long SamplesApplied { get; init; }
    public required double TestLoss { get; init; }
    public required double TestMetric { get; init; }
    public required int Workers { get; init; }
    public required int Generations { get; init; }
    public required long StepsRedone { get; init; }
    public required IReadOnlyList<GenerationStart> Reconfigurations { get; init; }

    /// <summary>Generations without those of rebalancing, whose number depends on the machine.</summary>
    public int GenerationsByWorkers => Generations - Reconfigurations.Count(r => r.Cause == GenerationCause.Balance);

    /// <summary>Checks the number of workers at the end, and that it changed before, perhaps in a generation of rebalancing.</summary>
    public void RequireChange(int workers)
    {
        Assert.Equal(workers, Workers);
        Assert.InRange(Generations, 2, int.MaxValue);
    }
}

/// <summary>A coordinator process that trains, with a run folder of its own.</summary>
internal sealed partial class TrainingRun : IDisposable
{
    private static readonly JsonSerializerOptions _json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private readonly TemporaryFolder _folder;

    private TrainingRun(TemporaryFolder folder, ProgramRun coordinator, MountedDisk? disk) =>
        (_folder, Coordinator, Disk) = (folder, coordinator, disk);

    public ProgramRun Coordinator { get; }

    /// <summary>The disk of the run folder; null if it has none of its own.</summary>
    public MountedDisk? Disk { get; }

    /// <summary>The run folder.</summary>
    public string Folder => _folder["run"];

    /// <summary>The folder for temporary files of its processes alone.</summary>
    public string Temporary => _folder["tmp"];

    /// <summary>The trained model, as a file.</summary>
    public byte[] Model => File.ReadAllBytes(this["model.safetensors"]);

    /// <summary>The join token, for workers that the coordinator did not start.</summary>
    public string TokenFile => this["join.token"];

    public Report Report => JsonSerializer.Deserialize<Report>(File.ReadAllText(this["report.json"]), _json)!;

    /// <summary>The path of a file in the run folder.</summary>
    public string this[string name] => Path.Combine(Folder, name);

    /// <summary>Starts to train a job.</summary>
    public static TrainingRun Start(Job job, params IEnumerable<string> arguments)
    {
        var folder = new TemporaryFolder();
        return Start(folder, Write(job, folder), arguments);
    }

    /// <summary>Starts to train a job on a machine of its own.</summary>
    public static TrainingRun StartOn(NetworkNamespaces.Machine machine, Job job, params IEnumerable<string> arguments)
    {
        var folder = new TemporaryFolder();
        return Start(folder, Write(job, folder), ["--host", $"{machine.Address}", .. arguments], machine.Command);
    }

    /// <summary>Starts to train a job whose run folder is a small disk in memory; null if that cannot be mounted.</summary>
    public static TrainingRun? OnDisk(Job job, int kibibytes, params IEnumerable<string> arguments)
    {
        var folder = new TemporaryFolder();
        if (MountedDisk.InMemory(folder["run"], kibibytes) is { } disk) return Start(folder, Write(job, folder), arguments, disk: disk);
        folder.Dispose();
        return null;
    }

    /// <summary>Starts to train the job of a file.</summary>
    public static TrainingRun Start(string jobFile, params IEnumerable<string> arguments) =>
        Start(new TemporaryFolder(), jobFile, arguments);

    /// <summary>Waits for the first applied step.</summary>
    public Task TrainsAsync() => Coordinator.LineAsync(AppliedStep());

    /// <summary>Steps in the history.</summary>
    public long Recorded => File.Exists(this["history.csv"]) ? File.ReadLines(this["history.csv"]).Count() - 1 : 0;

    /// <summary>Waits until the history has this many steps, or the coordinator has ended.</summary>
    public async Task RecordsAsync(long steps, ProgramRun coordinator)
    {
        using var overdue = new CancellationTokenSource(ProgramRun.Timeout);
        while (Recorded < steps && coordinator.Self.IsRunning) await Task.Delay(TimeSpan.FromMilliseconds(10), overdue.Token);
    }

    /// <summary>Starts another coordinator in place of a killed one.</summary>
    public ProgramRun Resume(string workers = "0", params IEnumerable<string> more) =>
        ProgramRun.Start(BuiltFiles.Coordinator, ["train", "--resume", "--run", Folder, "--workers", workers, "--device", "cpu", .. more],
            ("TMPDIR", Temporary));

    /// <summary>The process of a worker that the coordinator has started.</summary>
    public LinuxProcess Worker(string name) => Coordinator.Children().Single(worker => worker.Option("--name") == name);

    /// <summary>Checks that a chaos check succeeded, and its result.</summary>
    public void RequireSameBitsUnderChaos()
    {
        Assert.Equal("The result is the same, bit for bit.", Coordinator.Output[^1]);
        Assert.Equal(File.ReadAllBytes(this["undisturbed/model.safetensors"]), File.ReadAllBytes(this["disturbed/model.safetensors"]));
        Assert.Empty(Coordinator.Errors);
        RequireNothingLeft();
    }

    /// <summary>Checks that no process of the run is left, and no temporary file.</summary>
    public void RequireNothingLeft()
    {
        Assert.Empty(LinuxProcess.With("TMPDIR", Temporary));
        Assert.Empty(Directory.EnumerateFileSystemEntries(Temporary));
    }

    /// <summary>Kills what still runs and removes the folder.</summary>
    public void Dispose()
    {
        Coordinator.Dispose();
        Disk?.Dispose();
        _folder.Dispose();
    }

    private static string Write(Job job, TemporaryFolder folder)
    {
        File.WriteAllText(folder["job.yaml"], JobFile.Format(job));
        return folder["job.yaml"];
    }

    private static TrainingRun Start(
        TemporaryFolder folder, string jobFile, IEnumerable<string> arguments, IReadOnlyList<string>? by = null, MountedDisk? disk = null)
    {
        var temporary = Directory.CreateDirectory(folder["tmp"]).FullName;
        return new(folder, ProgramRun.Start(
            by ?? [], BuiltFiles.Coordinator, ["train", jobFile, "--device", "cpu", "--run", folder["run"], .. arguments],
                ("TMPDIR", temporary)), disk);
    }

    [GeneratedRegex(@"^training .*\bstep [1-9]")]
    private static partial Regex AppliedStep();
}
