using Distributed.Coordinator.Storage;

namespace Distributed.Coordinator.Runs;

/// <summary>
/// The curves of a run for TensorBoard: what training and what evaluations gave in a folder each, so that curves of one name share a
/// chart. While nothing can be written, points are left out, and training goes on; new files are begun when that is over.
/// </summary>
/// <param name="complain">Is told in a user's words when nothing can be written, and when it can again.</param>
internal sealed class TensorBoardFolder(string root, TimeProvider time, Action<string> complain) : IRunObserver, IDisposable
{
    private const string Train = "train", Test = "test";

    /// <summary>After a failure, until files are begun anew.</summary>
    private static readonly TimeSpan _pause = TimeSpan.FromSeconds(10);

    private EventFile? _train;
    private EventFile? _test;
    private long _from = 1;
    private long _failedAt;
    private bool _isFailed, _isEnded;

    /// <summary>Removes what a run has left there, and nothing else.</summary>
    /// <exception cref="IOException">It cannot be removed.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be removed.</exception>
    public static void Clear(string root)
    {
        foreach (var folder in (string[])[Path.Combine(root, Train), Path.Combine(root, Test)])
        {
            if (!Directory.Exists(folder)) continue;
            foreach (var file in Directory.EnumerateFiles(folder, EventFile.NamePrefix + "*")) File.Delete(file);
        }
    }

    public void Recalled(HistoryRow step) => _from = step.Step + 1;

    public void Stepped(HistoryRow step) => Try(() => (_train ??= Begin(Train, step.Step)).Add(step.Step,
        ("loss", step.Loss), ("learning_rate", step.LearningRate), ("gradient_norm", step.GradientNorm), ("samples_per_second", step.SamplesPerSecond), ("epoch", step.Epoch)));

    public void Evaluated(EpochResult evaluation) => Try(() => (_test ??= Begin(Test, evaluation.Step)).Add(evaluation.Step, ("loss", evaluation.TestLoss), (evaluation.TestMetric.Metric.Name, evaluation.TestMetric.Value)));

    public void Progressed(TrainingProgress progress) => Try(() =>
    {
        _train?.Flush();
        _test?.Flush();
    });

    public void Dispose()
    {
        if (_isEnded) return;
        Try(() =>
        {
            _train?.Dispose();
            _test?.Dispose();
        });
        _isEnded = true;
    }

    private EventFile Begin(string part, long step) => new(Path.Combine(root, part), _isFailed ? step : _from, time);

    private void Try(Action write)
    {
        if (_isEnded || (_isFailed && time.GetElapsedTime(_failedAt) < _pause)) return;
        try
        {
            write();
            // Buffers hide for a while that the disk is still full.
            if (!_isFailed) return;
            _train?.Flush();
            _test?.Flush();
            if (_train is null && _test is null) return;
            _isFailed = false;
            complain($"the files for TensorBoard in {root} are written again");
        }
        catch (Exception error) when (StorageError.Is(error))
        {
            _train?.Abandon();
            _test?.Abandon();
            (_train, _test, _failedAt) = (null, null, time.GetTimestamp());
            if (!_isFailed) complain($"the files for TensorBoard in {root} cannot be written: {error.Message.TrimEnd('.')}. Training continues; steps until they can be written are missing there");
            _isFailed = true;
        }
    }
}
