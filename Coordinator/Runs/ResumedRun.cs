using Distributed.Coordinator.Storage;
using Distributed.Core.Planning;
using Distributed.Core.Scores;

namespace Distributed.Coordinator.Runs;

/// <summary>Finds out where a run continues, see <see cref="ResumePoint"/>.</summary>
internal static class ResumedRun
{
    /// <summary>Reads what the run's files hold, and takes checkpoints out of use that are ahead of the records.</summary>
    /// <param name="files">Where the run is.</param>
    /// <param name="rounds">Its rounds; null where no worker has ever said how large the data is.</param>
    /// <param name="store">Its checkpoints; opened by this.</param>
    /// <exception cref="IOException">The disk has failed.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be read or renamed.</exception>
    public static ResumePoint Find(IFileSystem files, string folder, Metric metric, Rounds? rounds, CheckpointStore store)
    {
        var damaged = store.Open();
        var recorded = new RecordedLines(files, folder);
        var stepsPerEpoch = rounds is { Epochs: 0 } ? 0 : rounds?.StepsPerEpoch;
        var point = ResumePoint.Of(rounds, recorded.History(stepsPerEpoch).Found, recorded.Evaluations(metric, stepsPerEpoch).Found, store.All);
        store.SetAside(point.SetAside);
        return point with { Dropped = [.. damaged, .. point.Dropped] };
    }
}
