using Distributed.Core.Scores;

namespace Distributed.Coordinator.Runs;

/// <summary>How a run learned, as far as a picture shows it, in memory that does not grow with the run.</summary>
internal sealed class RunCurves
{
    /// <summary>Points of a curve: more than a picture has columns. Up to so many steps, each is a point.</summary>
    private const int MaxPoints = 9600;

    public Curve Train { get; } = new(MaxPoints);

    public Curve Test { get; } = new(MaxPoints);

    public Curve Tested { get; } = new(MaxPoints);

    /// <summary>The last step that was added; null before the first.</summary>
    public HistoryRow? LastStep { get; private set; }

    /// <summary>The last evaluation that was added; null before the first.</summary>
    public EpochResult? LastEvaluation { get; private set; }

    public Metric Metric => LastEvaluation?.TestMetric.Metric ?? Metric.Accuracy;

    public void Add(HistoryRow step)
    {
        LastStep = step;
        Train.Add(step.Step, step.Loss);
    }

    public void Add(EpochResult evaluation)
    {
        LastEvaluation = evaluation;
        Test.Add(evaluation.Step, evaluation.TestLoss);
        Tested.Add(evaluation.Step, evaluation.TestMetric.Value);
    }
}
