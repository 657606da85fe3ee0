namespace Distributed.Coordinator.Commands;

/// <summary>The training loss at a place of a run.</summary>
/// <param name="Samples">Samples that were used until then, those of the last step included.</param>
/// <param name="Loss">The mean loss of the steps' batches; for a search the lowest so far.</param>
/// <param name="Steps">Steps that the point stands for; more than one where they lie so close that no picture tells them apart.</param>
internal readonly record struct LossPoint(long Samples, double Loss, long Steps = 1)
{
    /// <summary>Places of a decade that a picture with a logarithmic axis tells apart, and more.</summary>
    private const int PlacesPerDecade = 1000;

    /// <summary>Adds the next step to the points, of which there are at most some thousands however many steps there are.</summary>
    public static void Add(List<LossPoint> points, long samples, double loss)
    {
        if (points is [.., var last] && PlaceOf(last.Samples) == PlaceOf(samples) && double.IsFinite(loss) && double.IsFinite(last.Loss))
            points[^1] = new(samples, last.Loss + ((loss - last.Loss) / (last.Steps + 1)), last.Steps + 1);
        else if (points.Count == 0 || double.IsFinite(loss) || double.IsFinite(points[^1].Loss)) points.Add(new(samples, loss));
    }

    private static int PlaceOf(long samples) => (int)(PlacesPerDecade * Math.Log10(samples));
}
