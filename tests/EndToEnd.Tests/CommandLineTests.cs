using Distributed.EndToEnd.Tests.Processes;

namespace Distributed.EndToEnd.Tests;

/// <summary>Bad input is refused at once: exit code 2, one line on standard error, no run folder and no worker.</summary>
public sealed class CommandLineTests : IDisposable
{
    private const string Job = """
        task: classification
        data: digits
        model: mlp
        epochs: 1
        batch: 64
        micro-batches: 8
        optimizer:
          name: sgd
          learning-rate: 0.05
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("data: digits", "dato: digits", "2: dato is not a known key (did you mean data?); allowed: task, data, ")]
    [InlineData("learning-rate: 0.05", "learning-rate: -1", "9: optimizer.learning-rate is -1; allowed: a number greater than 0")]
    [InlineData("micro-batches: 8", "micro-batches: 65", "6: micro-batches is 65; allowed: a whole number from 1 to 64 (the batch)")]
    [InlineData("epochs: 1", "epochs: 1\ntopology: ring", "5: topology is ring; allowed: star or mesh")]
    [InlineData("epochs: 1", "epochs: 1\nwire: float16", "5: wire is float16; allowed: float32 or bf16")]
    [InlineData("epochs: 1", "epochs: 1\ndeterminism: none", "5: determinism is none; allowed: strict or relaxed")]
    [InlineData("epochs: 1", "epochs: 1\nepochs: 2", "5: ")]
    [InlineData("data: digits", "data: [", "")]
    public async Task A_bad_job_file_is_refused_with_its_line(string right, string wrong, string complaint)
    {
        await File.WriteAllTextAsync(_folder["bad.yaml"], Job.Replace(right, wrong, StringComparison.Ordinal));
        await RefusesAsync(BuiltFiles.Coordinator, $"{_folder["bad.yaml"]}:{complaint}", "train", _folder["bad.yaml"], "--run",
            _folder["run"]);
    }

    [Theory]
    [InlineData("unknown option --bogus; train --help lists the options", "--bogus")]
    [InlineData("epochs is 0; to train, allowed: 1 or more.", "--set", "epochs=0")]
    [InlineData("--set topology=[star, mesh]: topology is ", "--set", "topology=[star, mesh]")]
    [InlineData("--set wire=BF16: wire is BF16; allowed: float32 or bf16", "--set", "wire=BF16")]
    [InlineData("--set determinism=null: determinism is ", "--set", "determinism=null")]
    [InlineData("--workers is -1; allowed: 0 to 1024", "--workers", "-1")]
    [InlineData("--min-workers is 3, but --workers 2", "--min-workers", "3")]
    [InlineData("no-such-job.yaml does not exist", "no-such-job.yaml")]
    public async Task A_bad_command_line_is_refused(string complaint, params string[] arguments) =>
        await RefusesAsync(BuiltFiles.Coordinator, complaint, ["train", "--run", _folder["run"], .. arguments]);

    [Theory]
    [InlineData("Device 'cuda:99' was asked for", "--coordinator", "127.0.0.1:1", "--device", "cuda:99")]
    [InlineData("--coordinator is 'nowhere'; allowed: HOST:PORT", "--coordinator", "nowhere")]
    [InlineData("", "--coordinator", "127.0.0.1:1", "--bogus")]
    [InlineData("Option '--coordinator' is required", "--device", "cpu")]
    [InlineData("a worker has to prove that it may take part: "
        + "give it a copy of join.token in the run folder of its coordinator with --token-file FILE", "--coordinator", "127.0.0.1:1")]
    public async Task A_bad_command_line_of_a_worker_is_refused(string complaint, params string[] arguments) =>
        await RefusesAsync(BuiltFiles.Worker, complaint, arguments);

    private async Task RefusesAsync(string program, string complaint, params string[] arguments)
    {
        using var run = ProgramRun.Start(program, arguments);
        await run.EndsWithAsync(2);
        Assert.StartsWith("error: " + complaint, Assert.Single(run.Errors), StringComparison.Ordinal);
        Assert.Empty(run.Output);
        Assert.False(Directory.Exists(_folder["run"]));
    }
}
