using Distributed.Core;
using Distributed.Jobs;
using Distributed.Jobs.Data;
using Distributed.Worker.Cluster;
using Distributed.Worker.Tests.Kernel;
using Distributed.Worker.Tests.Replicas;
using Distributed.Worker.Training;
using static TorchSharp.torch;

namespace Distributed.Worker.Tests.Probing;

[Collection(TorchTests.Name)]
public sealed class MemoryProbeTests
{
    private const long Free = 1 << 30;

    private static readonly Job _job =
        TestJobs.Of(new CnnSpec { Channels = [8], Hidden = 16 }) with { Auto = AutoSize.Batch, Batch = null, MicroBatches = 4 };

    [Fact]
    public void With_enough_memory_the_answer_is_the_largest_useful_size()
    {
        var probed = MemoryProbe.Run(_job, new(), CPU, 0.8, meter: Meter(_ => 0));
        Assert.Equal(((TestJobs.Data.Train.Count + 3) / 4, TestJobs.Data.Train.Count), (probed.Samples, probed.TrainSamples));
        Assert.Equal("as many as the job can use, within 80 % of 1.1 GB of free memory of a test", probed.What);
    }

    [Fact]
    public void The_answer_fits_into_the_allowed_part_of_the_memory()
    {
        // 16 MB per sample: half of a gigabyte minus the model has room for slightly fewer than 32.
        var probed = MemoryProbe.Run(_job, new(), CPU, 0.5, meter: Meter(passes => 16L << 20 << (passes - 1)));
        Assert.InRange(probed.Samples, 24, 31);
        Assert.Equal("50 % of 1.1 GB of free memory of a test", probed.What);
    }

    [Fact]
    public void No_room_for_one_sample_is_reported() => Assert.StartsWith(
        "not one sample fits into 80 % of 1.1 GB of free memory of a test: the model's own vectors take ",
        Assert.Throws<InvalidOperationException>(() => MemoryProbe.Run(_job, new(), CPU, 0.8, meter: Meter(_ => 2 * Free))).Message,
            StringComparison.Ordinal);

    [Fact]
    public void The_memory_of_this_machine_is_measured_without_a_leak()
    {
        // A module of TorchSharp leaves some tensors to the garbage collector.
        var left = LeftBy(() => JobModels.CreateModel(_job, TestJobs.Data.Train.Format).Dispose());
        var meter = MemoryMeter.Of(CPU);
        Assert.InRange(meter.Free(), 1L << 20, long.MaxValue);
        var taken = meter.Begin();
        using (var large = zeros([64 << 20], float32)) Assert.InRange(meter.Peak() - taken, 128L << 20, 1L << 30);

        var samples = 0;
        Assert.InRange(LeftBy(() => samples = MemoryProbe.Run(_job, new DataOptions(), CPU, 0.8).Samples), long.MinValue, left);
        Assert.InRange(samples, 1, TestJobs.Data.Train.Count);

        static long LeftBy(Action what)
        {
            var before = Tensor.TotalCount;
            what();
            return Tensor.TotalCount - before;
        }
    }

    [Fact]
    public void Data_that_is_missing_on_the_worker_is_reported()
    {
        var error = Assert.Throws<DataException>(() =>
            MemoryProbe.Run(_job with { Data = new NpyData { Path = "none.npy", Targets = "none.npy" } }, new(), CPU, 0.8,
            meter: Meter(_ => 0)));
        Assert.Contains($"none.npy' does not exist on {Environment.MachineName}", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("before the coordinator sends any: bring the data there, or give batch and micro-batches as numbers.",
            error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_probe_can_be_cancelled() =>
        Assert.Throws<OperationCanceledException>(() =>
            MemoryProbe.Run(_job, new(), CPU, 0.8, meter: Meter(_ => 0), stopping: new(canceled: true)));

    // Reports the given use of memory after each number of passes.
    private static MemoryMeter Meter(Func<int, long> taken)
    {
        var passes = 0;
        return new("a test", () => Free, () => 0, () => taken(++passes));
    }
}
