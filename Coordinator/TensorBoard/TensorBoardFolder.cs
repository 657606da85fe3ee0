using Distributed.Coordinator.Progress;
using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.TensorBoard;

/// <summary>
/// The curves of a run for TensorBoard: what training and what evaluations gave in a folder each, so that curves of one name share a
/// chart. A file that cannot be written is given up, and training goes on.
/// </summary>
/// <param name="root">The folder.</param>
/// <param name="time">The clock.</param>
/// <param name="complain">Is told once, in a user's words, if nothing can be written.</param>
public sealed class TensorBoardFolder(string root, TimeProvider time, Action<string> complain) : IRunObserver, IDisposable
{
    private const string Train = "train", Test = "test";

    private EventFile? _train;
    private EventFile? _test;
    private long _from = 1;
    private bool _isGivenUp;

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

    /// <inheritdoc/>
    public void Recalled(IReadOnlyList<HistoryRow> steps, IReadOnlyList<EpochResult> evaluations, IReadOnlyList<RunEvent> events) => _from = steps.Count + 1;

    /// <inheritdoc/>
    public void Stepped(HistoryRow step) => Try(() => (_train ??= Begin(Train)).Add(step.Step,
        ("loss", step.Loss), ("learning_rate", step.LearningRate), ("gradient_norm", step.GradientNorm), ("samples_per_second", step.SamplesPerSecond), ("epoch", step.Epoch)));

    /// <inheritdoc/>
    public void Evaluated(EpochResult evaluation) => Try(() => (_test ??= Begin(Test)).Add(evaluation.Step, ("loss", evaluation.TestLoss), (evaluation.TestMetric.Metric.Name, evaluation.TestMetric.Value)));

    /// <inheritdoc/>
    public void Progressed(TrainingProgress progress) => Try(() =>
    {
        _train?.Flush();
        _test?.Flush();
    });

    /// <inheritdoc/>
    public void Dispose() => Try(() =>
    {
        _train?.Dispose();
        _test?.Dispose();
    });

    private EventFile Begin(string part) => new(Path.Combine(root, part), _from, time);

    private void Try(Action write)
    {
        if (_isGivenUp) return;
        try
        {
            write();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            _isGivenUp = true;
            complain($"the files for TensorBoard in {root} cannot be written: {error.Message} Training goes on without them");
        }
    }
}
