using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Distributed.Core.Planning;
using Distributed.Worker.Abstractions;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Kernel;

/// <summary>Samples whose targets are their numbers; records the threads that fetch them.</summary>
/// <param name="width">Values of a sample.</param>
internal sealed class NumberedSamples(int width) : ITrainingTask
{
    private readonly List<SampleBatch> _batches = [];

    public int TrainSamples => 60;

    public int TestSamples => 20;

    public string DataFingerprint => "";

    public int Metrics => 1;

    /// <summary>The thread of each fetch.</summary>
    public BlockingCollection<int> Fetched { get; } = [];

    /// <summary>A micro-batch that begins with this sample fails.</summary>
    public int Refused { get; init; } = -1;

    /// <summary>The number of micro-batches not yet disposed.</summary>
    public int Live
    {
        get
        {
            lock (_batches) return _batches.Count(batch => !batch.Inputs.IsInvalid);
        }
    }

    public static float TargetOf(RoundKind split, int epoch, int sample) => sample + (split is RoundKind.Train ? 1000 * (epoch + 1) : 0);

    public SampleBatch Fetch(RoundKind split, int epoch, ReadOnlySpan<int> samples, Device device)
    {
        Fetched.Add(Environment.CurrentManagedThreadId);
        if (samples[0] == Refused) throw new InvalidOperationException("refused");
        var batch = new SampleBatch(empty(samples.Length, width), empty(samples.Length));
        var targets = MemoryMarshal.Cast<byte, float>(batch.Targets.bytes);
        for (var i = 0; i < samples.Length; i++) targets[i] = TargetOf(split, epoch, samples[i]);
        lock (_batches) _batches.Add(batch);
        return batch;
    }

    public Tensor LossSum(nn.Module model, SampleBatch batch, Span<double> metrics) => throw new NotSupportedException();
}
