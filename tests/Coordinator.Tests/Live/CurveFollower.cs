using Distributed.Coordinator.Runs;

namespace Distributed.Coordinator.Tests.Live;

/// <summary>Joins the parts of a curve as the page does.</summary>
internal sealed class CurveFollower
{
    private List<(long Step, float Mean, float Min, float Max)> _points = [];

    public IReadOnlyList<(long Step, float Mean, float Min, float Max)> Points => _points;

    public void Take(CurvePart? part)
    {
        if (part is null) return;
        _points = [.. _points.Take(part.From),
            .. part.Steps.Select((step, i) => (step, part.Mean[i], (part.Min ?? part.Mean)[i], (part.Max ?? part.Mean)[i]))];
    }
}
