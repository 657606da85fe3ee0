using Distributed.Jobs;
using Distributed.Worker.Tests.Kernel;

namespace Distributed.Worker.Tests.Replicas;

/// <summary>The jobs and the plan with which the tests run a replica's thread.</summary>
internal static class ThreadJobs
{
    public static readonly Job Noisy = TestJobs.Of(TestJobs.Noisy) with
    {
        Optimizer = new AdamSpec(),
        Schedule = new CosineSpec(),
        ClipNorm = 1,
    };

    /// <summary>The middle one of three workers computes the micro-batches 4, 5, 6 and 7 of 12, and sends them as one sum.</summary>
    public static readonly Job Twelve = Noisy with { MicroBatches = 12 };

    public static readonly string[] Three = ["w1", LinkedReplica.Worker, "w3"];
}
