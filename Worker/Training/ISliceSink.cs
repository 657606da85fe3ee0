namespace Distributed.Worker.Training;

/// <summary>Takes the slices of a contribution while the rest of it is still computed.</summary>
internal interface ISliceSink
{
    /// <summary>A slice of the contribution is final. Comes once for each slice, in any order, on the thread that computes; allocates nothing.</summary>
    /// <param name="slice">0 to <see cref="Core.Reduction.VectorLayout.TallySlice"/>.</param>
    void Ready(int slice);
}
