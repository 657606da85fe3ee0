using Distributed.Coordinator.Runs;
using Distributed.Core.Protocol;
using Distributed.Hosting.Messages;
using Distributed.Jobs;
using Distributed.Jobs.Runs;

namespace Distributed.Coordinator.Cluster;

/// <summary>What all workers say alike: told and written down once. Used by one thread at a time.</summary>
/// <param name="describe">Writes down what the data is like, see <see cref="CoordinatorContext.Describe"/>.</param>
internal sealed class PreparedNotes(RunRecorder recorder, Func<DataDescription, string?>? describe)
{
    private readonly RetryPause _pause = new();
    private DataDescription? _unwritten;
    private bool _isInitialTold;
    private bool _isDescribed;
    private bool _isNoted;

    /// <summary>What a worker has taken out of the file with the parameters to begin with.</summary>
    public void TellInitial(string initial)
    {
        if (_isInitialTold || initial.Length is 0 or > Prepared.MaxInitial) return;
        _isInitialTold = true;
        recorder.Happened(RunEventKind.Note, initial);
    }

    /// <summary>What a worker has found out about the job's model.</summary>
    public void Tell(string note)
    {
        if (_isNoted) return;
        _isNoted = true;
        recorder.Happened(RunEventKind.Note, note);
    }

    /// <summary>Tries again what could not be written.</summary>
    public void Retry()
    {
        if (_unwritten is not { } data || !_pause.IsOver) return;
        _pause.Begin();
        if (describe?.Invoke(data) is not null) return;
        _unwritten = null;
        recorder.Happened(RunEventKind.Note, "what the data is like is written now");
    }

    /// <param name="facts">What the run goes by; null where that is not settled.</param>
    public void Describe(Prepared prepared, WorkerFacts? facts)
    {
        if (_isDescribed || prepared.Data.Length == 0 || facts?.DataFingerprint != prepared.DataFingerprint) return;
        try
        {
            var data = DataDescription.Parse(prepared.Data);
            _isDescribed = true;
            foreach (var note in data.Notes) recorder.Happened(RunEventKind.Note, Shown.InFull(note));
            if (describe?.Invoke(data) is { } error)
            {
                _unwritten = data;
                _pause.Begin();
                recorder.Happened(RunEventKind.Fault, $"what the data is like could not be written: {error}");
            }
        }
        catch (FormatException error)
        {
            recorder.Happened(RunEventKind.Fault, $"a worker's description of the data is none: {error.Message}");
        }
    }
}
