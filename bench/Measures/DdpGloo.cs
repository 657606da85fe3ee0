using System.Text.Json;
using Distributed.Bench.Processes;

namespace Distributed.Bench.Measures;

/// <summary>A step of PyTorch's DistributedDataParallel, in milliseconds.</summary>
/// <param name="Alone">Each process trains on its own, all at the same time.</param>
/// <param name="Together">The same with averaged gradients.</param>
internal readonly record struct PeerStep(double Alone, double Together, double Added);

/// <summary>The peer: PyTorch over Gloo, in the script ddp_gloo.py.</summary>
internal sealed class DdpGloo(string python, string version)
{
    public string Version => version;

    /// <summary>Null if this Python is missing or has no torch with Gloo.</summary>
    public static async Task<DdpGloo?> FindAsync(string python, CancellationToken stopping)
    {
        const string Probe = "import torch, torch.distributed as d; "
            + "assert d.is_gloo_available() if hasattr(d, 'is_gloo_available') else d.is_available(); print(torch.__version__)";
        if (!File.Exists(python)) return null;
        try
        {
            return new(python, (await ChildProcess.RunAsync(new(python, "-c", Probe), stopping).ConfigureAwait(false)).Output[^1]);
        }
        catch (BenchException)
        {
            return null;
        }
    }

    /// <summary>The median time of an all-reduce in milliseconds, for each length.</summary>
    public async Task<IReadOnlyList<double>> AllReduceAsync(int world, IReadOnlyList<int> floats, CancellationToken stopping)
    {
        var rows = await RunAsync(stopping, "allreduce", "--world", $"{world}", "--floats", string.Join(',', floats)).ConfigureAwait(false);
        return [.. rows.Select(row => row.GetProperty("ms").GetDouble())];
    }

    /// <summary>The median times of a step with two processes.</summary>
    public async Task<PeerStep> StepAsync(string model, int batch, CancellationToken stopping)
    {
        var row = (await RunAsync(stopping, "step", "--world", "2", "--batch", $"{batch}", "--models", model).ConfigureAwait(false))[0];
        return new(row.GetProperty("alone_ms").GetDouble(), row.GetProperty("ddp_ms").GetDouble(), row.GetProperty("added_ms").GetDouble());
    }

    private async Task<IReadOnlyList<JsonElement>> RunAsync(CancellationToken stopping, params IEnumerable<string> arguments)
    {
        var command = new ChildCommand(python, [Programs.File("peers", "ddp_gloo.py"), .. arguments]);
        var result = await ChildProcess.RunAsync(command, stopping).ConfigureAwait(false);
        return [.. result.Output.Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
    }
}
