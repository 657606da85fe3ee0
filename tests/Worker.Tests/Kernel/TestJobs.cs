using Distributed.Jobs;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Data;

namespace Distributed.Worker.Tests.Kernel;

/// <summary>Jobs on the digits, whose rounds take milliseconds.</summary>
internal static class TestJobs
{
    public static DataSet Data { get; } = Digits.Load();

    /// <summary>A model with every source of randomness and every kind of tensor.</summary>
    public static CnnSpec Noisy { get; } = new() { Channels = [4], Hidden = 8, BatchNorm = true, Dropout = 0.3 };

    /// <summary>Plain descent; two epochs of three training rounds in four micro-batches and an evaluation in three.</summary>
    public static Job Of(ModelSpec model) => Job.Default with
    {
        Model = model,
        Epochs = 2,
        Batch = 480,
        MicroBatches = 4,
        Optimizer = new SgdSpec { LearningRate = 0.1 },
        Schedule = new ConstantSpec(),
        ClipNorm = null,
        Checkpoint = new() { EverySteps = 0 },
    };
}
