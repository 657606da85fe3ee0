using System.Text.Json;
using Distributed.Bench.Processes;

namespace Distributed.Bench.Measures;

/// <summary>A step of PyTorch's DistributedDataParallel, in milliseconds.</summary>
/// <param name="Alone">Each process for itself, all at the same time.</param>
/// <param name="Together">The same with gradients averaged.</param>
/// <param name="Added">The difference.</param>
internal readonly record struct PeerStep(double Alone, double Together, double Added);

/// <summary>The peer: PyTorch over Gloo, by the script ddp_gloo.py.</summary>
/// <param name="python">A Python that has torch.</param>
/// <param name="version">Version of torch.</param>
internal sealed class DdpGloo(string python, string version)
{
    /// <summary>Version of torch.</summary>
    public string Version => version;

    /// <summary>The peer, if this Python is there and has torch with Gloo.</summary>
    public static async Task<DdpGloo?> FindAsync(string python, CancellationToken stopping)
    {
        const string Probe = "import torch, torch.distributed as d; assert d.is_gloo_available() if hasattr(d, 'is_gloo_available') else d.is_available(); print(torch.__version__)";
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
    /// <exception cref="BenchException">The script has failed.</exception>
    public async Task<IReadOnlyList<double>> AllReduceAsync(int world, IReadOnlyList<int> floats, CancellationToken stopping) =>
        [.. (await RunAsync(stopping, "allreduce", "--world", $"{world}", "--floats", string.Join(',', floats)).ConfigureAwait(false)).Select(row => row.GetProperty("ms").GetDouble())];

    /// <summary>The median times of a step with two processes.</summary>
    /// <exception cref="BenchException">The script has failed.</exception>
    public async Task<PeerStep> StepAsync(string model, int batch, CancellationToken stopping)
    {
        var row = (await RunAsync(stopping, "step", "--world", "2", "--batch", $"{batch}", "--models", model).ConfigureAwait(false))[0];
        return new(row.GetProperty("alone_ms").GetDouble(), row.GetProperty("ddp_ms").GetDouble(), row.GetProperty("added_ms").GetDouble());
    }

    private async Task<IReadOnlyList<JsonElement>> RunAsync(CancellationToken stopping, params IEnumerable<string> arguments) =>
        [.. (await ChildProcess.RunAsync(new(python, [Programs.File("peers", "ddp_gloo.py"), .. arguments]), stopping).ConfigureAwait(false)).Output
            .Select(line => JsonSerializer.Deserialize<JsonElement>(line))];
}
