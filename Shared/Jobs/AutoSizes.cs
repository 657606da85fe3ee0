namespace Distributed.Jobs;

/// <summary>What a job leaves to the memory of the workers.</summary>
internal enum AutoSize : byte
{
    None,
    /// <summary>The samples of a batch, of a given number of micro-batches.</summary>
    Batch,
    /// <summary>The number of micro-batches, of a batch of a given size: the fewer, the larger each.</summary>
    MicroBatches,
}

/// <summary>From the largest micro-batch that fits to the job that is run.</summary>
internal static class AutoSizes
{
    public static int LargestOf(Job job, int trainSamples) => job.Auto == AutoSize.Batch
        ? CeilingOf(trainSamples, job.MicroBatches)
        : Math.Min(job.Batch ?? trainSamples, trainSamples);

    /// <param name="samples">The largest micro-batch that fits every worker, at least 1.</param>
    /// <param name="workers">Workers that are to have something to do.</param>
    /// <exception cref="JobException">It would take more micro-batches than are allowed.</exception>
    public static Job Resolve(Job job, int samples, int trainSamples, int workers)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        if (job.Auto == AutoSize.None) return job;
        if (job.Auto == AutoSize.Batch)
        {
            var batch = (int)Math.Min((long)samples * job.MicroBatches, trainSamples);
            return job with { Auto = AutoSize.None, Batch = batch, MicroBatches = Math.Min(job.MicroBatches, batch) };
        }
        var whole = Math.Min(job.Batch ?? trainSamples, trainSamples);
        var fewest = CeilingOf(whole, samples);
        if (fewest > Job.MaxMicroBatches)
            throw new JobException($"batch is {job.BatchText}, and a worker has memory for {samples} samples at a time: that takes {fewest} micro-batches; allowed: {Job.MaxMicroBatches}. Make the batch smaller");
        return job with { Auto = AutoSize.None, MicroBatches = Math.Min(Math.Max(fewest, workers), Math.Min(whole, Job.MaxMicroBatches)) };
    }

    /// <summary>The job with what another, of the same run, has found.</summary>
    public static Job Like(Job job, Job found) => job.Auto switch
    {
        AutoSize.Batch => job with { Auto = AutoSize.None, Batch = found.Batch, MicroBatches = Math.Min(job.MicroBatches, found.Batch ?? job.MicroBatches) },
        AutoSize.MicroBatches => job with { Auto = AutoSize.None, MicroBatches = found.MicroBatches },
        _ => job,
    };

    private static int CeilingOf(int samples, int parts) => (int)(((long)samples + parts - 1) / parts);
}
